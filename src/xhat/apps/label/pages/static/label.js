// The annotator's page. What is answered goes into an outbox that survives reloads and lost
// connections; the server takes the same answer any number of times and counts it once.

import { ask, calm, complain, make, toast } from "/static/base.js";

const $ = (id) => document.getElementById(id);
const READ = "xhat-label-read", OUTBOX = "xhat-label-outbox";
const MOST = 10; // points that can be handed out
const PATIENCE = 8000; // milliseconds that an answer of the server may take

let state = null; // as the server told it last
let queue = []; // images to show, without those that wait in the outbox
let points = []; // of every class and, last, of "none of them"
let presses = []; // in order, so that Backspace takes back the last
let unsure = false;
let begun = 0, spent = 0; // a stopwatch that stands still while the page is hidden
let going = false; // whether the person went on after what they were asked for
let sending = false, again = 0, retry = null;

// ------------------------------------------------------------------ the server

const call = async (path, body, method) =>
  (await ask(`/api/label/${path}`, {
    body, method,
    headers: state ? { "X-CSRF-Token": state.csrf } : {},
    signal: AbortSignal.timeout(PATIENCE), // a connection that hangs is as good as none
  })).json();

async function start() {
  const token = decodeURIComponent(location.hash.slice(1));
  try {
    if (token) {
      take(await call("session", { token }));
      history.replaceState(null, "", location.pathname); // the secret leaves the address
    } else take(await call("state"));
  } catch (error) {
    if (error.status === 401) return rest("Open your invitation", "This page opens by the personal link that you were sent.");
    if (error.status === 403) return rest("This link does not open", error.message);
    rest("One moment", error.message);
    setTimeout(start, 3000);
    return;
  }
  build();
  let read = null;
  try { read = localStorage.getItem(READ); } catch { /* private window: show it each time */ }
  if (read) show();
  else welcome();
  flush();
}

function take(told) {
  state = told;
  if (outbox().some((each) => each.me !== told.me)) keep(outbox().filter((each) => each.me === told.me));
  const waiting = new Set(outbox().map((each) => `${each.ticket}.${each.revision}`));
  queue = told.tickets.filter((each) => !waiting.has(`${each.ticket}.${each.revision}`));
}

const outbox = () => {
  try { return JSON.parse(localStorage.getItem(OUTBOX) ?? "[]"); } catch { return memory; }
};
let memory = [];
function keep(entries) {
  memory = entries;
  try { localStorage.setItem(OUTBOX, JSON.stringify(entries)); } catch { /* kept in memory */ }
}

// Send what waits, one after another; on a lost connection wait ever longer, at most 15 s.
async function flush() {
  if (sending || !state) return;
  sending = true;
  clearTimeout(retry);
  try {
    for (let entry; (entry = outbox()[0]); ) {
      const { ticket, revision, shares, seconds } = entry;
      const told = await call("votes", { ticket, revision, shares, seconds });
      keep(outbox().filter((each) => each.ticket !== ticket || each.revision !== revision));
      again = 0;
      const shown = queue[0];
      take(told);
      const still = queue.findIndex((each) => each.ticket === shown?.ticket && each.revision === shown?.revision);
      if (still > 0) queue.unshift(...queue.splice(still, 1)); // someone may have begun to answer it
      if (told.outcome.startsWith("another answer")) toast("That image was answered in another tab; the first answer counts.");
      if (told.outcome.startsWith("the image was opened again")) toast("That image was taken back in another tab, and waits for a new answer.");
      if (shown?.ticket !== queue[0]?.ticket || $("work").hidden) show();
      else far();
    }
    $("offline").hidden = true;
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      if (error.status === 403 && again++ < 2) { // the page's token is old: ask for another
        try { take(await call("state")); retry = setTimeout(flush, 200); return; } catch { /* told below */ }
      }
      return rest("Your session has ended", "Open your invitation again; what waits here will be sent then.");
    }
    if (error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 408) {
      keep(outbox().slice(1)); // the server will never take it
      complain(error);
    }
    const wait = error.seconds ? 1000 * error.seconds : Math.min(15000, 500 * 2 ** again++);
    offline();
    retry = setTimeout(flush, wait);
  } finally {
    sending = false;
  }
}

function offline() {
  const n = outbox().length;
  $("offline").hidden = n === 0;
  $("offline").textContent = `No connection. ${n} answer${n === 1 ? " waits" : "s wait"} here and will be sent.`;
}

// ------------------------------------------------------------------ what is shown

function only(id) {
  for (const each of ["welcome", "work", "rest"]) $(each).hidden = each !== id;
  $("progress").hidden = !state || id === "welcome";
  $("help").hidden = id !== "work";
  // A button that was just hidden keeps the focus until the next frame, and with it takes Enter.
  if (document.activeElement?.closest("[hidden]")) $("main").focus({ preventScroll: true });
}

function welcome() {
  only("welcome");
  $("begin").focus({ preventScroll: true }); // one reads from the top
}

function rest(title, text, { more = false, undo = false } = {}) {
  only("rest");
  $("rest-title").textContent = title;
  $("rest-text").textContent = text;
  $("go-on").hidden = !more;
  $("rest-undo").hidden = !undo;
}

const done = () => state.done + outbox().length;

function far() {
  $("bar").max = Math.max(state.quota, 1);
  $("bar").value = Math.min(done(), state.quota);
  $("count").textContent = done() <= state.quota ? `${done()} of ${state.quota}` : `${done()} answered`;
  $("undo").disabled = !presses.length && !unsure && !state.last && !outbox().length;
}

function show() {
  far();
  if (!$("welcome").hidden) return;
  const undo = Boolean(state.last) || outbox().length > 0;
  if (done() >= state.quota && !going)
    return rest("Thank you!", `You have answered the ${state.quota} images that you were asked for. There may be more, if you like.`, { more: queue.length > 0, undo });
  if (!queue.length) {
    if (outbox().length) { rest("One moment", "Your answers are being sent; the next image comes then."); return void flush(); }
    setTimeout(refresh, 15000);
    if (state.paused) return rest("A break", "No images are given out at present. This page looks again by itself.", { undo });
    return rest("That was all", "There are no more images for you. Thank you!", { undo });
  }
  only("work");
  clear();
  const { height, width, pixels } = queue[0], image = $("image");
  image.width = width;
  image.height = height;
  image.style.aspectRatio = width / height;
  const raw = Uint8Array.from(atob(pixels), (each) => each.charCodeAt(0)), data = new ImageData(width, height);
  const part = raw.length / (width * height); // 1 in grey, 3 in colours
  for (let i = 0; i < width * height; i++) data.data.set([raw[part * i], raw[part * i + (part > 1)], raw[part * i + part - 1], 255], 4 * i);
  image.getContext("2d").putImageData(data, 0, 0);
  image.classList.remove("pop");
  void image.offsetWidth; // so that the animation begins anew
  image.classList.add("pop");
  begun = performance.now();
  spent = 0;
}

async function refresh() {
  if (!$("rest").hidden && state) {
    try { take(await call("state")); show(); } catch { setTimeout(refresh, 15000); }
  }
}

function clear() {
  points = Array(state.classes.length + 1).fill(0);
  presses = [];
  unsure = false;
  draw();
}

const total = () => points.reduce((sum, each) => sum + each, 0);
const shares = () => (unsure ? null : points.map((each) => each / total()));

function draw() {
  const sum = total(), words = [];
  [...$("keys").children, $("none")].forEach((key, k) => {
    const part = sum ? points[k] / sum : 0, percent = Math.round(100 * part);
    key.style.setProperty("--part", `${percent}%`);
    key.setAttribute("aria-pressed", part > 0);
    key.querySelector(".share").textContent = part > 0 ? `${percent} %` : "";
    if (part > 0) words.push(`${state.classes[k] ?? "none of them"}: ${percent} %`);
  });
  document.querySelectorAll("#sliders input").forEach((slider, k) => {
    slider.value = points[k];
    slider.nextElementSibling.value = points[k];
  });
  $("unsure").setAttribute("aria-pressed", unsure);
  $("next").disabled = !sum && !unsure;
  $("said").textContent = unsure ? "cannot tell" : words.join(", ");
  far();
}

// ------------------------------------------------------------------ what a person does

function press(k) {
  if ($("work").hidden || total() >= MOST) return;
  unsure = false;
  points[k] += 1;
  presses.push(k);
  draw();
}

function cannotTell() {
  const was = unsure;
  clear();
  unsure = !was;
  draw();
}

function next() {
  if ($("work").hidden || (!total() && !unsure) || !queue.length) return;
  if (!document.hidden) spent += performance.now() - begun;
  const { ticket, revision } = queue.shift();
  keep([...outbox(), { me: state.me, ticket, revision, shares: shares(), seconds: Math.round(spent) / 1000 }]);
  calm();
  show();
  flush();
}

async function undo() {
  if (unsure || presses.length) { // first what was pressed for this image
    if (unsure) return clear();
    const k = presses.pop();
    points[k] = Math.max(0, points[k] - 1);
    return draw();
  }
  if (total()) return clear();
  const waiting = outbox();
  if (waiting.length && !sending) { // not sent yet: it never happened
    keep(waiting.slice(0, -1));
    try { take(await call("state")); } catch { return complain(new Error("The image comes back as soon as there is a connection.")); }
    return show();
  }
  if (!state.last) return;
  const [ticket, revision] = state.last;
  try {
    take(await call("undo", { ticket, revision }));
    going ||= done() >= state.quota;
    show();
    toast(state.outcome === "undone" ? "Taken back: answer it again." : "There was nothing to take back.");
  } catch (error) {
    complain(error);
  }
}

function fine() {
  const open = $("sliders").hidden;
  $("sliders").hidden = !open;
  $("fine").setAttribute("aria-expanded", open);
  if (open) $("sliders").querySelector("input").focus();
}

// The key of a class: its name where all are one character, else the next that means nothing else.
const short = () => state.classes.every((name) => name.length === 1 && !"nfh?".includes(name.toLowerCase()));
const keyOf = (k) => (short() ? state.classes[k].toLowerCase() : "1234567890qwertyuiopasdgjklzxcvbm"[k]);

function build() {
  if ($("keys").children.length) return;
  if (state.purpose === "results") $("question").textContent = "What is this, or is it none of them?";
  $("keys").classList.toggle("words", !short());
  const two = state.classes.length > 9 ? [4, 9] : [0, 1]; // for the examples
  for (const [k, name] of [[two[0], "one"], [two[1], "two"]]) {
    for (const each of document.querySelectorAll(`.${name}`)) each.textContent = keyOf(k);
    for (const each of document.querySelectorAll(`.${name}-name`)) each.textContent = state.classes[k];
  }
  const key = (name, k) => {
    const face = make("span", { className: "face", textContent: name });
    if (!short() && keyOf(k)) face.append(" ", make("kbd", { textContent: keyOf(k).toUpperCase() }));
    const made = make("button", { type: "button", className: "key", "aria-pressed": "false" }, make("span", { className: "fill" }), face, make("span", { className: "share" }));
    made.addEventListener("click", () => press(k));
    return made;
  };
  $("keys").append(...state.classes.map(key));
  $("none").addEventListener("click", () => press(state.classes.length));
  [...state.classes, "none of them"].forEach((name, k) => {
    const slider = make("input", { type: "range", min: 0, max: MOST, step: 1, value: 0 }), shown = make("output", { textContent: "0" });
    slider.addEventListener("input", () => {
      unsure = false;
      points[k] = Number(slider.value);
      presses = [];
      draw();
    });
    $("sliders").append(make("label", {}, make("span", { textContent: name }), slider, shown));
  });
}

$("begin").addEventListener("click", () => {
  try { localStorage.setItem(READ, "yes"); } catch { /* shown again next time */ }
  $("welcome").hidden = true;
  show();
  $("main").focus();
});
$("help").addEventListener("click", welcome);
$("unsure").addEventListener("click", cannotTell);
$("next").addEventListener("click", next);
$("undo").addEventListener("click", undo);
$("rest-undo").addEventListener("click", undo);
$("fine").addEventListener("click", fine);
$("go-on").addEventListener("click", () => { going = true; show(); });

document.addEventListener("keydown", (event) => {
  if (!state || $("work").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const on = document.activeElement;
  const k = state.classes.findIndex((_, place) => keyOf(place) === event.key.toLowerCase());
  const act = k >= 0 ? () => press(k)
    : { n: () => press(state.classes.length), "?": cannotTell, backspace: undo, f: fine, h: welcome, enter: next }[event.key.toLowerCase()];
  if (!act) return;
  // Enter on a focused button would press that button as well; here it always means "next",
  // except on those that only the keyboard can reach.
  if (event.key === "Enter" && on instanceof HTMLButtonElement && !$("keys").contains(on) && on !== $("none") && on !== $("next")) return;
  event.preventDefault();
  if (!event.repeat) act();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) spent += performance.now() - begun;
  else begun = performance.now();
});
addEventListener("online", flush);
addEventListener("hashchange", () => { state = null; start(); });

start();
