// Texts of the pages. LuCI's own translation is put in by `use`; without it texts stay English.

let translate = (text) => text;

export function use(translator) {
	translate = translator;
}

export function _(text, values = {}) {
	return fill(translate(text), values);
}

// Puts values into a text: _('{a} of {b}', { a: 1, b: 2 }). They are never read as templates themselves.
export function fill(template, values) {
	return template.split(/([{][a-z]+[}])/).map((part) => {
		const name = part.slice(1, -1);
		return part[0] === '{' && Object.hasOwn(values, name) ? String(values[name]) : part;
	}).join('');
}
