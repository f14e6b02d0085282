// Pictures on canvases: bytes row by row, one for each channel of a pixel.

import { api, complain } from "/static/base.js";

export const about = await api("/api/explore/about").catch((error) => { complain(error); throw error; });
export const [CHANNELS, HIGH, WIDE] = about.shape;
document.documentElement.style.setProperty("--aspect", WIDE / HIGH);

export function bytes(text) {
  return Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
}

export function text(pixels) {
  let raw = "";
  for (const value of pixels) raw += String.fromCharCode(value);
  return btoa(raw);
}

const light = (pixels, i) => (CHANNELS === 1 ? pixels[i] : 0.299 * pixels[3 * i] + 0.587 * pixels[3 * i + 1] + 0.114 * pixels[3 * i + 2]);

// Paint an image; or, beside a start, what became lighter in teal and what became darker in amber.
export function paint(canvas, pixels, start = null) {
  canvas.width = WIDE;
  canvas.height = HIGH;
  const context = canvas.getContext("2d"), image = context.createImageData(WIDE, HIGH), { data } = image;
  for (let i = 0; i < WIDE * HIGH; i++) {
    data[4 * i + 3] = 255;
    if (!start) {
      for (let k = 0; k < 3; k++) data[4 * i + k] = pixels[CHANNELS * i + (CHANNELS === 1 ? 0 : k)];
      continue;
    }
    const value = light(pixels, i), was = light(start, i), kept = 0.55 * Math.min(value, was);
    const came = Math.max(0, value - was), went = Math.max(0, was - value);
    data[4 * i] = kept + came * 0.25 + went * 0.95;
    data[4 * i + 1] = kept + came * 0.9 + went * 0.6;
    data[4 * i + 2] = kept + came * 0.8 + went * 0.1;
  }
  context.putImageData(image, 0, 0);
}

// A class in a sentence: “shirt”, a 3, an 8.
export function one(k) {
  const name = about.classes[k];
  return /^\d+$/.test(name) ? `${/^(8|11$|18$)/.test(name) ? "an" : "a"} ${name}` : `“${name}”`;
}
