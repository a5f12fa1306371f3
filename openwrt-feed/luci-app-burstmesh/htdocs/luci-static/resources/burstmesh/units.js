// Numbers as people read them, and lines are sold: in powers of 1000.

const PREFIXES = ['', 'k', 'M', 'G', 'T'];

function scaled(value, unit) {
	let step = 0;
	while (value >= 999.5 && step < PREFIXES.length - 1) {
		value /= 1000;
		step += 1;
	}
	const digits = value < 9.95 && step > 0 ? 1 : 0;
	return value.toFixed(digits) + ' ' + PREFIXES[step] + unit;
}

export function rate(bitsPerSecond) {
	return scaled(Math.max(0, bitsPerSecond), 'bit/s');
}

export function bytes(count) {
	return scaled(Math.max(0, count), 'B');
}

export function millis(micros) {
	const ms = micros / 1000;
	return ms.toFixed(ms < 9.95 ? 1 : 0) + ' ms';
}

export function percent(part, whole) {
	return whole > 0 ? (100 * part / whole).toFixed(1) + ' %' : '–';
}

export function duration(seconds) {
	const two = (n) => String(n).padStart(2, '0');
	const hours = Math.floor(seconds / 3600) % 24;
	const minutes = Math.floor(seconds / 60) % 60;
	const days = Math.floor(seconds / 86400);
	return (days > 0 ? days + ' d ' : '') + two(hours) + ':' + two(minutes) + ':' + two(Math.floor(seconds) % 60);
}
