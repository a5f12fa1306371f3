// Runs in the browser: contrast of every text with what is behind it (WCAG), the lowest.
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
	const ratios = [...document.querySelectorAll('main *')].filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
		.filter((node) => node.tagName !== 'STYLE')
		.map((node) => {
			const style = getComputedStyle(node);
			const [a, b] = [light(number(node instanceof SVGElement ? style.fill : style.color)), light(behind(node))].sort((x, y) => y - x);
			return (a + 0.05) / (b + 0.05);
		});
	return Math.min(...ratios);
}
