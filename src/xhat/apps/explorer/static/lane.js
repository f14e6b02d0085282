// One search on the stage: the picture that moves, what is seen in it, the verdict, and scrubbing.

import { Refused, ask, complain, events, make, toast } from "/static/base.js";
import { bytes, one, paint } from "/static/explore/pictures.js";

const PACE = 45; // milliseconds that a frame stays at least, so that quick searches can be watched
const SLOW = 110; // for searches of few steps
const percent = (share) => `${Math.round(100 * share)} %`;

export class Lane {
  constructor(about, { onOnward }) {
    this.about = about;
    this.onOnward = onOnward;
    this.element = document.getElementById("lane").content.firstElementChild.cloneNode(true);
    this.$ = (selector) => this.element.querySelector(selector);
    this.frames = [];
    this.shown = -1;
    this.$(".at").addEventListener("input", () => { this.playing = false; this.#show(Number(this.$(".at").value)); });
    this.$(".play").addEventListener("click", () => this.replay());
    this.$(".changed").addEventListener("change", () => this.#show(this.shown));
    this.$(".onward").addEventListener("click", () => this.onOnward(this.frames.at(-1).x));
    this.$(".copy").addEventListener("click", () => this.#copy());
    this.$(".judges").hidden = !about.jury;
    this.names = [...about.classes, "none of them"];
    const words = about.classes.length > 12 || about.classes.some((name) => name.length > 2);
    for (const [place, names] of [[".classifier", about.classes], [".judges", this.names]]) {
      const row = this.$(`${place} .bar-row`);
      row.classList.toggle("words", words);
      row.append(...names.map((name, k) => make("span", { className: "bar" }, make("i"), k === about.classes.length && !words ? "–" : make("span", { textContent: name, title: name }))));
    }
  }

  prepare(method, target, start) {
    this.target = target;
    this.method = method;
    this.start = start;
    this.frames = [];
    this.shown = -1;
    this.found = this.code = null;
    this.live = this.playing = true;
    this.$("h2").textContent = method.name;
    this.$(".lane-head .caption").textContent = method.from_start ? method.caption : `${method.caption}; no way leads there from the start, so nothing is shown between`;
    this.$(".curve").hidden = !method.from_start;
    this.$(".verdict").hidden = this.$(".waiting").hidden = true;
    this.$(".big").style.backgroundColor = "";
    this.$(".play").disabled = this.$(".at").disabled = true;
    this.$(".now").setAttribute("aria-label", `The picture that is to become ${one(target)}`);
    paint(this.$(".start"), start);
    paint(this.$(".now"), start);
    for (const row of this.element.querySelectorAll(".bar-row")) [...row.children].forEach((bar, k) => { bar.classList.toggle("aim", k === target); bar.firstChild.style.setProperty("--share", "0%"); });
  }

  // What the classifier says of the start, before anything is searched.
  reads(shares) { this.#bars(".classifier", shares); }

  // Search, and show it while it comes. Resolves when the verdict is there.
  async run(question, signal) {
    const began = performance.now();
    requestAnimationFrame((now) => this.#tick(now));
    try {
      const answer = await ask("/api/explore/search", { body: question, signal });
      for await (const [name, data] of events(answer)) {
        if (name === "begun") { this.code = data.code; this.budget = data.steps; }
        else if (name === "frame") {
          this.first ??= performance.now() - began;
          this.frames.push({ ...data, x: bytes(data.x) });
        } else if (name === "found") this.found = data;
        else if (name === "failed") throw new Refused(data, 422);
      }
      if (!this.found && !signal.aborted) throw new Refused("The search was cut off; is the server still running?", 0);
    } finally {
      this.live = false;
      this.arrived = performance.now() - began;
    }
    await new Promise((resolve) => { this.caughtUp = resolve; if (!this.playing) resolve(); });
  }

  stop() { this.live = this.playing = false; this.$(".waiting").hidden = true; this.#unlock(); this.caughtUp?.(); }

  replay() {
    this.shown = -1;
    this.playing = true;
    requestAnimationFrame((now) => this.#tick(now));
  }

  #tick(now) {
    if (!this.playing) return;
    const pace = this.live && this.frames.length - this.shown > 12 ? 16 : this.frames.length < 24 && !this.live ? SLOW : PACE;
    const before = this.frames[this.shown], after = this.frames[this.shown + 1]; // nothing is drawn between
    if (after && now - (this.turned ?? 0) >= pace) {
      this.turned = now;
      this.#show(this.shown + 1);
    }
    this.$(".waiting").hidden = !(this.live && after === undefined && before?.last);
    if (!this.live && this.shown >= this.frames.length - 1) {
      this.playing = false;
      this.#unlock();
      this.#curve(this.shown); // now that its last step is known
      if (this.found) this.#judge();
      this.caughtUp?.();
      return;
    }
    requestAnimationFrame((later) => this.#tick(later));
  }

  #unlock() {
    const some = this.frames.length > 1;
    this.$(".at").disabled = this.$(".play").disabled = !some;
  }

  #show(index) {
    const frame = this.frames[index];
    if (!frame) return;
    this.shown = index;
    paint(this.$(".now"), frame.x, this.$(".changed").checked ? this.start : null);
    const at = this.$(".at");
    at.max = this.frames.length - 1;
    at.value = index;
    at.setAttribute("aria-valuetext", `step ${frame.step}`);
    this.$(".f-step").textContent = frame.step;
    this.$(".f-loss").textContent = frame.loss === null ? "–" : frame.loss.toPrecision(3);
    this.$(".f-moved").textContent = frame.moved.toFixed(1);
    this.#bars(".classifier", frame.surrogate);
    const jury = this.#jury(index);
    if (jury) this.#bars(".judges", jury);
    this.#curve(index);
  }

  // The judges look at every other frame; in between, what they saw last holds.
  #jury(index) {
    for (let i = index; i >= 0; i--) if (this.frames[i].jury) return this.frames[i].jury;
    return null;
  }

  #bars(place, shares) {
    const row = this.$(`${place} .bar-row`);
    shares.forEach((share, k) => {
      row.children[k].firstChild.style.setProperty("--share", `${100 * share}%`);
      row.children[k].hidden = shares.length > 13 && share < 0.01 && k !== this.target; // of many classes those that count
    });
    const best = shares.indexOf(Math.max(...shares));
    const label = `${this.names[best]} with ${percent(shares[best])}; ${this.names[this.target]} with ${percent(shares[this.target])}`;
    row.setAttribute("aria-label", label);
    row.title = label;
  }

  #curve(index) {
    const canvas = this.$(".curve"), context = canvas.getContext("2d");
    const style = getComputedStyle(this.element), ink = style.getPropertyValue("--ink"), line = style.getPropertyValue("--line"), accent = style.getPropertyValue("--accent");
    const frames = this.frames.filter((frame) => frame.loss !== null);
    const sharp = devicePixelRatio || 1, wide = canvas.clientWidth, high = canvas.clientHeight;
    canvas.width = Math.round(wide * sharp);
    canvas.height = Math.round(high * sharp);
    context.scale(sharp, sharp);
    if (frames.length < 2 || !wide) return;
    const losses = frames.map((frame) => frame.loss), least = Math.min(...losses), most = Math.max(...losses);
    const last = Math.max(frames.at(-1).step, this.live ? Math.min(this.budget ?? 1, 2 * frames.at(-1).step + 10) : 1);
    const place = (frame) => [6 + ((wide - 12) * frame.step) / last, 8 + ((high - 18) * (most - frame.loss)) / (most - least || 1)];
    context.lineWidth = 1;
    context.strokeStyle = line;
    context.beginPath();
    context.moveTo(1, high - 3);
    context.lineTo(wide - 1, high - 3);
    context.stroke();
    context.strokeStyle = accent;
    context.lineWidth = 2.5;
    context.lineJoin = "round";
    context.beginPath();
    for (const frame of frames) context.lineTo(...place(frame));
    context.stroke();
    const now = this.frames[index];
    if (!now || now.loss === null) return;
    context.fillStyle = ink;
    context.beginPath();
    context.arc(...place(now), 5, 0, 7);
    context.fill();
    canvas.setAttribute("aria-label", `Loss over steps, from ${losses[0].toPrecision(3)} to ${losses.at(-1).toPrecision(3)}`);
  }

  #judge() {
    const found = this.found, look = this.about.verdicts.find((each) => each.name === found.verdict);
    this.$(".big").style.backgroundColor = look.colour;
    const mark = this.$(".mark");
    mark.textContent = look.mark;
    mark.style.backgroundColor = look.colour;
    mark.style.color = look.ink;
    this.$("h3").textContent = look.label;
    this.$(".meaning").textContent = `${look.meaning[0].toUpperCase()}${look.meaning.slice(1)}.`;
    this.$(".rule").textContent = found.rule;
    this.$(".evidence ul").replaceChildren(...found.evidence.map((line) => make("li", { textContent: line })), make("li", { textContent: `The search: ${found.status}, after ${found.steps} steps.` }));
    this.$(".near").hidden = !found.nearest.length;
    this.$(".near-row").replaceChildren(...found.nearest.map((near) => {
      const canvas = make("canvas", { className: "pixels", role: "img", "aria-label": `A real sample: ${this.names[near.label]}` });
      paint(canvas, bytes(near.x));
      return make("figure", {}, canvas, make("figcaption", { textContent: `${one(near.label)}, at ${near.distance.toFixed(1)}` }));
    }));
    this.$(".code code").textContent = this.code;
    for (const kind of ["png", "parquet"]) {
      this.$(`.${kind}`).href = `/api/explore/result/${found.name}.${kind}`;
      this.$(`.${kind}`).download = kind === "png" ? `xhat-${this.names[this.target]}.png` : "results.parquet";
    }
    this.$(".verdict").hidden = false;
    this.$(".now").setAttribute("aria-label", `${one(this.target)}, as ${this.method.name} found it: ${look.label}`);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.code);
      toast("Copied.");
    } catch {
      getSelection().selectAllChildren(this.$(".code code"));
      complain(new Error("The browser does not let pages copy here; the code is selected, press Ctrl-C."));
    }
  }
}
