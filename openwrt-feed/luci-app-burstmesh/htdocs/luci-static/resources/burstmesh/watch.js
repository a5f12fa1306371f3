// Why is it slow? What the paths do during somebody's download.

import { _ } from './text.js';
import { pathName } from './status.js';
import { millis, percent, rate } from './units.js';

// In bit/s.
const HARDLY_ANYTHING = 500_000;
// A queue of this length, in microseconds, is felt; so many lost are too many.
const LONG_QUEUE = 60_000;
const MUCH_LOST = 0.02;

export class Watch {
	// For so many seconds of a clock that never jumps.
	constructor(seconds) {
		Object.assign(this, { span: seconds * 1000, seen: [] });
	}

	// Takes a status read at `now`, in milliseconds.
	record(now, status) {
		if (status && !this.done())
			this.seen.push({ now, paths: new Map(status.paths.map((path) => [path.id + ' ' + pathName(path), path])) });
	}

	passed() {
		return this.seen.length ? this.seen.at(-1).now - this.seen[0].now : 0;
	}

	// From 0 to 1.
	progress() {
		return Math.min(1, this.passed() / this.span);
	}

	done() {
		return this.passed() >= this.span;
	}

	lines() {
		const [first, last] = [this.seen[0], this.seen.at(-1)];
		const seconds = Math.max(0.001, this.passed() / 1000);
		return [...last.paths].map(([key, path]) => {
			const before = first.paths.get(key) || {};
			const since = (field) => Math.max(0, path[field] - (path[field] >= before[field] ? before[field] : 0));
			const all = this.seen.map((look) => look.paths.get(key)).filter(Boolean);
			const most = (field) => Math.max(...all.map((one) => one[field]));
			return {
				name: pathName(path), live: path.state === 'live', found: path.rate_bps,
				down: since('rx_bytes') * 8 / seconds, up: since('tx_bytes') * 8 / seconds,
				lost: since('lost'), sent: since('lost') + since('acked'), deaths: since('deaths'),
				queue: most('queue_us'), rtt: most('rtt_us')
			};
		});
	}

	rows() {
		return this.lines().map((line) => ({
			name: line.name, down: rate(line.down), up: rate(line.up), found: rate(line.found),
			latency: millis(line.rtt), queue: millis(line.queue), lost: percent(line.lost, line.sent)
		}));
	}

	// What is to be said of it, the weightiest first.
	verdicts() {
		const lines = this.lines();
		const live = lines.filter((line) => line.live);
		const all = (way) => lines.reduce((sum, line) => sum + line[way], 0);
		const [down, up] = [all('down'), all('up')];
		if (Math.max(down, up) < HARDLY_ANYTHING)
			return [_('Hardly anything was carried meanwhile. Begin a large download, then watch again.')];
		const said = [];
		for (const line of lines) {
			if (line.deaths > 0)
				said.push(_('{line} fell silent meanwhile.', { line: line.name }));
			if (line.lost > MUCH_LOST * line.sent)
				said.push(_('{line} lost {share} of what was sent over it: a bad link on the way, or a mesh with poor reception.', { line: line.name, share: percent(line.lost, line.sent) }));
			if (line.queue > LONG_QUEUE)
				said.push(_('On {line} packets waited {time}: something else fills it.', { line: line.name, time: millis(line.queue) }));
		}
		if (live.length < 2)
			said.push(_('Only one line is in use: nobody lends now, or the neighbours need their lines themselves.'));
		const way = down >= up ? 'down' : 'up';
		const most = lines.reduce((best, line) => line[way] > best[way] ? line : best);
		if (live.length > 1 && most[way] > 0.9 * Math.max(down, up))
			said.push(_('Nearly all went over {line}: a connection that keeps to one line, or one too short to be spread.', { line: most.name }));
		return said.length ? said : [_('Nothing stands out: the lines carried this together without loss or waiting. A device, its Wi-Fi or the far end may be the limit.')];
	}
}
