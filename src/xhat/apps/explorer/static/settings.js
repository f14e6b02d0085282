// How one lane searches: a method, its weights, what must hold.

import { make } from "/static/base.js";

export class Settings {
  constructor(about, { title, method, onChange }) {
    this.about = about;
    this.onChange = onChange;
    this.weights = {};
    this.structure = "free";
    const id = `method-${title.replace(/\W/g, "")}`;
    this.select = make("select", { id }, ...about.methods.map((each) => make("option", { value: each.name, textContent: each.name })));
    this.select.value = method;
    this.caption = make("p", { className: "caption" });
    this.body = make("div", { className: "settings" });
    const details = make("details", {}, make("summary", { textContent: "Weights and constraints" }), this.body);
    const field = make("div", { className: "field" }, make("label", { htmlFor: id, textContent: title }), this.select);
    this.element = make("div", { className: "method" }, field, this.caption, details);
    this.select.addEventListener("change", () => { this.weights = {}; this.structure = "free"; this.#render(); onChange(); });
    this.#render();
  }

  get method() { return this.about.methods.find((each) => each.name === this.select.value); }

  // What a search is asked with; only what was changed.
  get asked() { return { method: this.method.name, weights: this.weights, structure: this.structure }; }

  rename(title) { this.element.querySelector("label").textContent = title; }

  #render() {
    this.caption.textContent = this.method.caption;
    const settings = this.method.settings.map((setting) => this.#setting(setting));
    this.body.replaceChildren(...settings, this.#structures());
  }

  #setting(setting) {
    const id = `${this.select.id}-${setting.name}`;
    const input = make("input", { type: "range", id, min: setting.low, max: setting.high, step: setting.step, value: this.weights[setting.name] ?? setting.default });
    const output = make("output", { htmlFor: id });
    const tell = () => { output.textContent = Number(Number(input.value).toPrecision(3)); };
    input.setAttribute("aria-description", setting.says);
    input.addEventListener("input", () => {
      const value = Number(input.value);
      if (Math.abs(value - setting.default) < setting.step / 2) delete this.weights[setting.name];
      else this.weights[setting.name] = value;
      tell();
    });
    tell();
    input.disabled = setting.name === "radius" && this.structure !== "free";
    return make("div", { className: "setting" }, make("label", { htmlFor: id, textContent: setting.title }), output, input, make("small", { className: "muted", textContent: setting.says }));
  }

  #structures() {
    if (!this.method.structures.length) return make("p", { className: "caption", textContent: "This method does not begin at the start, so nothing of it can be held; those that do can." });
    const id = `${this.select.id}-structure`;
    const choices = [{ name: "free", title: "Nothing must hold" }, ...this.method.structures];
    const select = make("select", { id }, ...choices.map((each) => make("option", { value: each.name, textContent: each.title })));
    select.value = this.structure;
    select.addEventListener("change", () => {
      this.structure = select.value;
      if (this.structure !== "free") delete this.weights.radius;
      this.#render();
      document.getElementById(id).focus();
    });
    return make("div", { className: "field" }, make("label", { htmlFor: id, textContent: "What must hold exactly" }), select);
  }
}
