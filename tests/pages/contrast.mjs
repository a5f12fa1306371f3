// Runs in the browser: contrast with what is behind it (WCAG), the lowest of all texts, and of all that graphs are made of.
export function contrast() {
	const number = (colour) => colour.match(/[0-9.]+/g).map(Number);
	const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
		.reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
	const behind = (node) => {
		const layers = [];
		for (let at = node; at; at = at.parentElement)
			layers.unshift(number(getComputedStyle(at).backgroundColor));
		return layers.reduce((under, [r, g, b, a = 1]) => [r, g, b].map((c, n) => c * a + under[n] * (1 - a)), [255, 255, 255]);
	};
	const ratio = (colour, node) => {
		const [a, b] = [light(number(colour)), light(behind(node))].sort((x, y) => y - x);
		return (a + 0.05) / (b + 0.05);
	};
	const texts = [...document.querySelectorAll('main *')].filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
		.filter((node) => node.tagName !== 'STYLE')
		.map((node) => {
			const style = getComputedStyle(node);
			return ratio(node instanceof SVGElement ? style.fill : style.color, node);
		});
	const graphs = [...document.querySelectorAll('main svg path, main .bm-swatch')].map((node) =>
		ratio(getComputedStyle(node)[node instanceof SVGElement ? 'fill' : 'backgroundColor'], node.parentElement));
	return { texts: Math.min(...texts), graphs: graphs.length > 0 ? Math.min(...graphs) : null };
}
