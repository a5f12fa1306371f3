// An invitation in a picture. Browsers fetch the decoder, which is not ours, when somebody chooses one.

import { _ } from './text.js';
import { isWhole } from './invitation.js';

// Longest sides, in pixels, at which a picture is looked at.
const SIDES = [600, 1000, 1600];

function pixels(picture, side) {
	const scale = Math.min(1, side / Math.max(picture.width, picture.height));
	const [width, height] = [picture.width, picture.height].map((length) => Math.ceil(length * scale));
	const pen = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
	pen.drawImage(picture, 0, 0, width, height);
	return pen.getImageData(0, 0, width, height);
}

// The invitation in a file, null if none can be read.
export async function read(file) {
	const { default: decode } = await import('./qr/decode.js');
	const picture = await createImageBitmap(file).catch(() => null);
	for (const side of picture ? SIDES : []) {
		try {
			const text = decode(pixels(picture, side));
			return isWhole(text) ? text : null;
		} catch { /* Not at this size. */ }
	}
	return null;
}

export function note(text) {
	return text ? _('It is in the form now. Save & Apply to join.') : _('There is no invitation in the picture. The code must be whole, sharp and upright.');
}
