// The explorer's page: a start, a target, one or two methods, and the stage.

import { Refused, api, calm, complain, make, toast } from "/static/base.js";
import { Lane } from "/static/explore/lane.js";
import { Pad } from "/static/explore/pad.js";
import { CHANNELS, HIGH, WIDE, about, bytes, one, text } from "/static/explore/pictures.js";
import { Settings } from "/static/explore/settings.js";

const $ = (id) => document.getElementById(id);
const state = { start: null, target: 0, running: null, taken: new Map() };
const { classes } = about;
const settings = [], lanes = [];

const pad = new Pad($("pad"), {
  colour: () => $("ink").value,
  onChange: ({ begun } = {}) => {
    $("pad-hint").hidden = true;
    if (begun) { clearTimeout(state.reading); press("takes", null); return; }
    tools();
    clearTimeout(state.reading);
    if (pad.empty) begin(null);
    else state.reading = setTimeout(read, 180);
  },
});

function tools() {
  $("undo").disabled = pad.empty;
  $("clear").disabled = pad.empty && !state.start;
}

// The start is a real sample {index} or a drawing {pixels}; both with what they look like.
function begin(start, said = "") {
  state.start = start;
  $("reading").textContent = said;
  $("go").disabled = !start;
  if (!start) $("pad-hint").hidden = !pad.empty;
  tools();
  label();
  preview();
}

function says(shares) {
  const best = shares.indexOf(Math.max(...shares));
  return `The classifier reads ${one(best)}, ${Math.round(100 * shares[best])} % sure.`;
}

async function read() {
  try {
    const { pixels, surrogate } = await api(`/api/explore/draw?width=${$("pad").width}`, { body: pad.bytes() });
    begin({ asked: { pixels }, x: bytes(pixels), reads: surrogate }, says(surrogate));
    calm();
  } catch (error) {
    if (error.status === 422) begin(null, error.message);
    else complain(error);
  }
}

async function take(k) {
  const number = state.taken.get(k) ?? Math.floor(Math.random() * 800);
  state.taken.set(k, number + 1);
  try {
    const found = await api(`/api/explore/sample?label=${k}&number=${number}`);
    const x = bytes(found.pixels);
    pad.show(x);
    $("pad-hint").hidden = true;
    press("takes", k);
    begin({ asked: { index: found.index }, x, reads: found.surrogate }, says(found.surrogate));
    calm();
  } catch (error) { complain(error); }
}

function press(row, chosen) {
  [...$(row).children].forEach((button, k) => button.setAttribute("aria-pressed", k === chosen));
}

function aim(chosen, focus = false) {
  state.target = chosen;
  [...$("targets").children].forEach((button, k) => {
    const here = k === chosen;
    button.setAttribute("aria-checked", here);
    button.tabIndex = here ? 0 : -1;
    if (here && focus) button.focus();
  });
  label();
}

function label() {
  $("go").textContent = `Turn it into ${one(state.target)}`;
  preview();
}

function rows() {
  $("domain").textContent = `${about.domain}: images of ${WIDE} × ${HIGH}, ${classes.length} classes`;
  $("ink").hidden = CHANNELS === 1;
  for (const row of ["takes", "targets"]) $(row).classList.toggle("words", classes.length > 10 || classes.some((name) => name.length > 2));
  classes.forEach((name, k) => {
    const real = make("button", { type: "button", textContent: name, "aria-label": `Take a real ${name}`, "aria-pressed": "false" });
    real.addEventListener("click", () => take(k));
    $("takes").append(real);
    const target = make("button", { type: "button", textContent: name, role: "radio", "aria-checked": "false", "aria-label": `Become ${name}` });
    target.addEventListener("click", () => aim(k));
    $("targets").append(target);
  });
  $("targets").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    aim((state.target + by + classes.length) % classes.length, true);
  });
}

// One lane, or two beside each other, each with settings of its own.
function arrange(count) {
  const methods = [about.default, "plain"];
  while (settings.length < count) {
    const each = new Settings(about, { title: settings.length ? "Compared with" : "Method", method: methods[settings.length], onChange: preview });
    settings.push(each);
    $("settings").append(each.element);
  }
  while (settings.length > count) settings.pop().element.remove();
  while (lanes.length < count) {
    const lane = new Lane(about, { onOnward: onward });
    lanes.push(lane);
    $("stage").append(lane.element);
  }
  while (lanes.length > count) lanes.pop().element.remove();
  $("stage").classList.toggle("two", count === 2);
  $("compare").setAttribute("aria-pressed", count === 2);
  $("compare").textContent = count === 2 ? "− Only one method" : "+ Compare two methods";
  preview();
}

function preview() {
  if (!state.start || state.running) return;
  lanes.forEach((lane, k) => {
    if (lane.frames.length) return; // what was found stays until the next search
    lane.prepare(settings[k].method, state.target, state.start.x);
    if (state.start.reads) lane.reads(state.start.reads);
  });
}

function onward(x) {
  pad.show(x);
  press("takes", null);
  begin({ asked: { pixels: text(x) }, x }, "The result is the start now.");
  window.scrollTo({ top: 0, behavior: "smooth" });
  $("targets").querySelector("[tabindex='0']").focus({ preventScroll: true });
}

async function go() {
  if (!state.start || state.running) return;
  calm();
  const control = new AbortController();
  state.running = control;
  $("go").hidden = true;
  $("stop").hidden = false;
  if (matchMedia("(max-width: 760px)").matches) $("stage").scrollIntoView({ behavior: "smooth" });
  const { start, target } = state;
  const searches = lanes.map((lane, k) => {
    lane.prepare(settings[k].method, target, start.x);
    return lane.run({ ...start.asked, target, ...settings[k].asked }, control.signal).catch((error) => {
      lane.stop();
      if (error.name !== "AbortError") complain(error);
    });
  });
  await Promise.all(searches);
  state.running = null;
  $("go").hidden = false;
  $("stop").hidden = true;
  if (!control.signal.aborted) announce();
}

function announce() {
  const said = lanes.filter((lane) => lane.found).map((lane) => `${lane.method.name}: ${about.verdicts.find((each) => each.name === lane.found.verdict).label}`);
  if (said.length) toast(said.join("; "));
}

function halt() {
  state.running?.abort();
  for (const lane of lanes) lane.stop();
}

// While judges and networks are set up, everything works, and waits where it needs them.
async function setting() {
  const { stage } = await api("/api/explore/about").catch(() => ({}));
  const ready = !stage || stage.done === stage.total;
  $("setting-up").hidden = ready;
  if (ready) return;
  $("setting-up").textContent = `Being set up: ${stage.name} (${stage.done + 1} of ${stage.total}). Methods that need nothing of it move already; verdicts follow.`;
  setTimeout(setting, 2000);
}

rows();
arrange(1);
setting();
$("to-gallery").hidden = !about.gallery;
$("undo").addEventListener("click", () => pad.undo());
$("clear").addEventListener("click", () => { pad.clear(); press("takes", null); begin(null); $("pad-hint").hidden = false; });
$("file").addEventListener("change", async () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (!file) return;
  try { await pad.open(file); press("takes", null); } catch { complain(new Error(`${file.name} is no picture that this browser can read.`)); }
});
$("go").addEventListener("click", go);
$("stop").addEventListener("click", halt);
$("compare").addEventListener("click", () => { halt(); arrange(lanes.length === 1 ? 2 : 1); });
aim(Math.min(8, classes.length - 1));
await take(classes.length > 4 ? 3 : 0);
document.documentElement.dataset.ready = "yes";
export { Refused, lanes, state };
