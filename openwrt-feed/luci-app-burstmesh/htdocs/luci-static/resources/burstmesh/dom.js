// Trees into elements. A tree is a string, or [tag, attributes, ...children]; null and false are nothing.
// Text never becomes markup: names come from other people's routers.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = ['svg', 'path', 'line'];

export function build(tree, doc) {
	if ((tree ?? false) === false)
		return doc.createDocumentFragment();
	if (!Array.isArray(tree))
		return doc.createTextNode(String(tree));
	const [tag, attributes, ...children] = tree;
	const node = SVG_TAGS.includes(tag) ? doc.createElementNS(SVG, tag) : doc.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (name.startsWith('on'))
			value && node.addEventListener(name.slice(2), value);
		else if ((value ?? null) !== null)
			node.setAttribute(name, String(value));
	}
	for (const child of children)
		node.appendChild(build(child, doc));
	return node;
}

// Puts a new tree in the place of the old. The focus stays, a text that somebody selects, and what is the same as before:
// screen readers would read it anew each second.
export function replace(place, tree) {
	const doc = place.ownerDocument;
	const selection = doc.getSelection();
	if (selection && !selection.isCollapsed && place.contains(selection.anchorNode))
		return;
	const focused = doc.activeElement && place.contains(doc.activeElement) ? doc.activeElement.id : '';
	const fresh = build(tree, doc);
	const old = place.firstElementChild;
	const pieces = [...fresh.childNodes || []];
	if (old && old.childNodes.length === pieces.length && old.cloneNode(false).isEqualNode(fresh.cloneNode(false)))
		[...old.childNodes].forEach((piece, n) => piece.isEqualNode(pieces[n]) || piece.replaceWith(pieces[n]));
	else
		place.replaceChildren(fresh);
	if (focused && doc.getElementById(focused))
		doc.getElementById(focused).focus();
}
