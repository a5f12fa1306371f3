// What LuCI's build does to every script that a package installs (luci.mk runs `jsmin`): comments go, and white space that the
// rules below hold for needless. It knows characters and no language, so a script must be written for it: a regular expression
// is seen as such only behind certain signs, and one elsewhere loses its blanks, and its end if it looks like a comment.

const WORD = /[\w$\\\x7f-\uffff]/;
const SIGNS = '+-*/';
const BEFORE_REGEX = '(,=:[!&|?+-~*/{};';
const OPENS_LINE = '{[(+-!~';
const ENDS_LINE = '}])+-"\'`';
const has = (set, char) => char !== '' && set.includes(char);

class Source {
	constructor(text) {
		this.text = text.replace(/^\ufeff/, '').replace(/\r/g, '\n').replace(/[^\n -\uffff]/g, ' ');
		this.at = 0;
		this.last = this.before = '';
	}

	raw(what) {
		if (this.at >= this.text.length && what)
			throw new Error('unterminated ' + what);
		return this.text[this.at++] || '';
	}

	// A comment is a blank, or the end of its line.
	next() {
		let char;
		if (this.text.startsWith('/*', this.at)) {
			const end = this.text.indexOf('*/', this.at + 2);
			if (end < 0)
				throw new Error('unterminated comment');
			[this.at, char] = [end + 2, ' '];
		} else {
			if (this.text.startsWith('//', this.at))
				this.at = (this.text + '\n').indexOf('\n', this.at);
			char = this.raw();
		}
		[this.before, this.last] = [this.last, char];
		return char;
	}

	// The rest of a string or a regular expression, `set` within brackets of one, up to `end`, which it leaves to the caller.
	literal(end, what) {
		let text = '';
		for (let char = this.raw(what); char !== end; char = this.raw(what)) {
			text += char;
			if (char === '\\')
				text += this.raw(what);
			else if (char === '[' && end === '/')
				text += this.literal(']', 'set') + ']';
		}
		return text;
	}
}

export function jsmin(text) {
	const source = new Source(text);
	let [out, a, b] = ['', '\n', ''];
	const look = () => {
		b = source.next();
		if (b !== '/' || !has(BEFORE_REGEX, a))
			return;
		out += a + (has('/*', a) ? ' ' : '') + '/' + source.literal('/', 'regular expression');
		a = '/';
		if (has('/*', source.text[source.at] || ''))
			throw new Error('a comment behind a regular expression');
		b = source.next();
	};
	const drop = () => {
		a = b;
		if (has('\'"`', a))
			out += a + source.literal(a, 'string');
		look();
	};
	const keep = () => {
		out += a + (has('\n ', source.before) && has(SIGNS, a) && has(SIGNS, b) ? source.before : '');
		drop();
	};
	const word = (char) => WORD.test(char);
	look();
	while (a !== '')
		if (a === ' ')
			(word(b) ? keep : drop)();
		else if (a === '\n')
			(has(OPENS_LINE, b) || word(b) ? keep : b === ' ' ? look : drop)();
		else if (b === ' ')
			(word(a) ? keep : look)();
		else if (b === '\n')
			(has(ENDS_LINE, a) || word(a) ? keep : look)();
		else
			keep();
	return out;
}
