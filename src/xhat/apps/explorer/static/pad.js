// The sheet: strokes by mouse, finger or pen, on black or on a picture that was taken or opened.

import { CHANNELS, HIGH, WIDE, paint } from "/static/explore/pictures.js";

const LARGE = Math.max(1, Math.round(280 / Math.max(WIDE, HIGH))); // pixels of the sheet for one of an image
const STROKE = Math.max(0.075 * LARGE * Math.max(WIDE, HIGH), 1.2 * LARGE);

export class Pad {
  constructor(canvas, { onChange, colour }) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.colour = colour;
    this.strokes = [];
    this.below = this.drawing = null;
    canvas.width = WIDE * LARGE;
    canvas.height = HIGH * LARGE;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, () => this.#up());
    this.#render();
  }

  get empty() { return !this.strokes.length && !this.below; }

  // What is on the sheet, a byte for each channel of a pixel.
  bytes() {
    const { width, height } = this.canvas;
    const { data } = this.canvas.getContext("2d").getImageData(0, 0, width, height);
    const found = new Uint8Array(width * height * CHANNELS);
    for (let i = 0; i < width * height; i++) {
      const [r, g, b] = data.subarray(4 * i, 4 * i + 3);
      if (CHANNELS === 1) found[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
      else found.set([r, g, b], 3 * i);
    }
    return found;
  }

  undo() { this.strokes.pop(); this.#render(); this.onChange(); }
  clear() { this.strokes = []; this.below = this.drawing = null; this.#render(); }

  // Begin anew on an image of the domain.
  show(pixels) {
    this.clear();
    this.below = document.createElement("canvas");
    paint(this.below, pixels);
    this.#render();
  }

  // Begin anew on a picture from a file, of which the middle is taken.
  async open(file) {
    const picture = await createImageBitmap(file);
    this.clear();
    this.below = document.createElement("canvas");
    const { width, height } = Object.assign(this.below, { width: this.canvas.width, height: this.canvas.height });
    const scale = Math.max(width / picture.width, height / picture.height), wide = picture.width * scale, high = picture.height * scale;
    this.below.getContext("2d").drawImage(picture, (width - wide) / 2, (height - high) / 2, wide, high);
    this.#render();
    this.onChange();
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * this.canvas.width) / box.width, ((event.clientY - box.top) * this.canvas.height) / box.height];
  }

  #down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.drawing = { colour: this.colour(), points: [this.#at(event)] };
    this.strokes.push(this.drawing);
    this.#render();
    this.onChange({ begun: true });
  }

  #move(event) {
    if (!this.drawing) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) this.drawing.points.push(this.#at(each));
    this.#render();
  }

  #up() {
    if (!this.drawing) return;
    this.drawing = null;
    this.onChange();
  }

  #render() {
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = false;
    if (this.below) context.drawImage(this.below, 0, 0, this.canvas.width, this.canvas.height);
    context.lineWidth = STROKE;
    context.lineCap = context.lineJoin = "round";
    for (const { colour, points } of this.strokes) {
      context.strokeStyle = colour;
      context.beginPath();
      if (points.length < 3) {
        const [x, y] = points[0], [u, v] = points.at(-1);
        context.moveTo(x, y);
        context.lineTo(u + 0.01, v);
      } else { // curves through the middles of neighbouring points
        context.moveTo(...points[0]);
        for (let i = 1; i < points.length - 1; i++) {
          const [x, y] = points[i], [u, v] = points[i + 1];
          context.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2);
        }
        context.lineTo(...points.at(-1));
      }
      context.stroke();
    }
  }
}
