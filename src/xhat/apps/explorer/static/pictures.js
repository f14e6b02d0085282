// Pictures of 28 × 28 bytes on canvases.

export const SIDE = 28;

export function bytes(text) {
  const raw = atob(text), found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found;
}

export function text(pixels) {
  let raw = "";
  for (const value of pixels) raw += String.fromCharCode(value);
  return btoa(raw);
}

// Paint bytes in grey; or, beside a start, ink that came in teal and ink that went in amber.
export function paint(canvas, pixels, start = null) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE), data = image.data;
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i], was = start ? start[i] : value, kept = Math.min(value, was);
    const came = Math.max(0, value - was), went = Math.max(0, was - value);
    data[4 * i] = kept * (start ? 0.55 : 1) + came * 0.25 + went * 0.95;
    data[4 * i + 1] = kept * (start ? 0.55 : 1) + came * 0.9 + went * 0.6;
    data[4 * i + 2] = kept * (start ? 0.55 : 1) + came * 0.8 + went * 0.1;
    data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
