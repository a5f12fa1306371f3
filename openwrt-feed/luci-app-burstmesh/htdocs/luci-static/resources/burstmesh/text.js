// Texts of the pages, by LuCI's translation once `use` has it.

let translate = (text) => text;

export function use(translator) {
	translate = translator;
}

export function _(text, values = {}) {
	return fill(translate(text), values);
}

// Values are never read as templates themselves.
export function fill(template, values) {
	return template.split(/([{][a-z]+[}])/).map((part) => {
		const name = part.slice(1, -1);
		return part[0] === '{' && Object.hasOwn(values, name) ? String(values[name]) : part;
	}).join('');
}
