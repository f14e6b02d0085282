// The sheet: smooth strokes by mouse, finger or pen; or a real digit in their place.

import { SIDE } from "/static/explore/pictures.js";

const WIDTH = 21; // of a stroke, on a sheet of 280

export class Pad {
  constructor(canvas, { onChange }) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.strokes = [];
    this.drawing = null;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, () => this.#up());
    this.#render();
  }

  get empty() { return this.strokes.length === 0; }

  // What is drawn, a byte for each pixel of the sheet.
  bytes() {
    const { width, height } = this.canvas;
    const { data } = this.canvas.getContext("2d").getImageData(0, 0, width, height);
    const found = new Uint8Array(width * height);
    for (let i = 0; i < found.length; i++) found[i] = data[4 * i];
    return found;
  }

  undo() { this.strokes.pop(); this.#render(); this.onChange(); }
  clear() { this.strokes = []; this.drawing = null; this.#render(); }

  // Show a picture of 28 × 28 bytes instead of strokes.
  show(pixels) {
    this.clear();
    const context = this.canvas.getContext("2d"), large = this.canvas.width / SIDE;
    for (let i = 0; i < pixels.length; i++) {
      context.fillStyle = `rgb(${pixels[i]} ${pixels[i]} ${pixels[i]})`;
      context.fillRect((i % SIDE) * large, Math.floor(i / SIDE) * large, large, large);
    }
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * this.canvas.width) / box.width, ((event.clientY - box.top) * this.canvas.height) / box.height];
  }

  #down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.drawing = [this.#at(event)];
    this.strokes.push(this.drawing);
    this.#render();
    this.onChange({ begun: true });
  }

  #move(event) {
    if (!this.drawing) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) this.drawing.push(this.#at(each));
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
    context.strokeStyle = context.fillStyle = "#fff";
    context.lineWidth = WIDTH;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.beginPath();
      if (stroke.length < 3) {
        const [x, y] = stroke[0], [u, v] = stroke.at(-1);
        context.moveTo(x, y);
        context.lineTo(u + 0.01, v);
      } else { // curves through the middles of neighbouring points
        context.moveTo(...stroke[0]);
        for (let i = 1; i < stroke.length - 1; i++) {
          const [x, y] = stroke[i], [u, v] = stroke[i + 1];
          context.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2);
        }
        context.lineTo(...stroke.at(-1));
      }
      context.stroke();
    }
  }
}
