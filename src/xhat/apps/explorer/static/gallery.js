// The gallery of a results file: filters, pages fetched when they come in sight, one result in large.

import { api, complain, make } from "/static/base.js";

const $ = (id) => document.getElementById(id);
const NAMES = { verdict: "Verdict", start: "Start", target: "Target", method: "Method", status: "Status" };
const about = await api("/api/explore/about").catch((error) => { complain(error); throw error; });
const looks = new Map(about.verdicts.map((each) => [each.name, each]));
const state = { wanted: {}, head: null, pages: new Map(), tiles: new Map(), generation: 0, open: null };

const query = (page) => new URLSearchParams({ ...state.wanted, page });

// The first page says how many there are, and what else could be asked for.
async function load() {
  const generation = ++state.generation;
  try {
    const head = await api(`/api/explore/gallery?${query(0)}`);
    if (generation !== state.generation) return;
    state.head = head;
    state.pages.clear();
    for (const tile of state.tiles.values()) tile.remove();
    state.tiles.clear();
    state.pages.set(0, page(0, head.rows));
    $("title").textContent = head.name;
    $("count").textContent = `${head.total.toLocaleString("en")} ${head.total === 1 ? "result" : "results"}`;
    filters(head.facets);
    $("wall").querySelector(".none")?.remove();
    if (!head.total) $("wall").append(make("p", { className: "none", textContent: "Nothing fits all of these filters." }));
    draw();
  } catch (error) { complain(error); }
}

function filters(facets) {
  const fields = Object.entries(facets).filter(([name, values]) => values.length > 1 || state.wanted[name]).map(([name, values]) => {
    const id = `filter-${name}`;
    const any = make("option", { value: "", textContent: "any" });
    const shown = (value) => looks.get(value)?.label ?? value;
    const select = make("select", { id }, any, ...values.map(([value, count]) => make("option", { value, textContent: `${shown(value)} (${count})`, disabled: !count && value !== state.wanted[name] })));
    select.value = state.wanted[name] ?? "";
    select.addEventListener("change", () => {
      if (select.value) state.wanted[name] = select.value;
      else delete state.wanted[name];
      state.focus = id;
      history.replaceState(null, "", `?${new URLSearchParams(state.wanted)}`);
      load();
    });
    return make("div", { className: "field" }, make("label", { htmlFor: id, textContent: NAMES[name] ?? name }), select);
  });
  $("filters").replaceChildren(...fields);
  if (state.focus) $(state.focus)?.focus();
  state.focus = null;
}

// One page: its rows, and one picture with all of theirs.
function page(number, rows) {
  const sheet = new Image();
  const found = { rows, sheet, ready: false };
  sheet.addEventListener("load", () => { found.ready = true; for (const [i, tile] of state.tiles) if (Math.floor(i / state.head.page) === number) picture(tile.querySelector("canvas"), i); if (state.open !== null) large(); });
  sheet.src = `/api/explore/gallery/sheet.png?${query(number)}`;
  return found;
}

async function fetched(number) {
  if (state.pages.has(number)) return;
  const generation = state.generation;
  state.pages.set(number, null); // on its way
  try {
    const { rows } = await api(`/api/explore/gallery?${query(number)}`);
    if (generation !== state.generation) return;
    state.pages.set(number, page(number, rows));
    for (const [i, tile] of state.tiles) if (Math.floor(i / state.head.page) === number) fill(tile, i);
    if (state.open !== null) large();
  } catch (error) { state.pages.delete(number); complain(error); }
}

const row = (i) => state.pages.get(Math.floor(i / state.head.page))?.rows[i % state.head.page];
const wide = () => state.head.size[1] * (state.head.starts ? 2 : 1);

function picture(canvas, i) {
  const held = state.pages.get(Math.floor(i / state.head.page));
  const [high] = state.head.size, at = i % state.head.page;
  canvas.width = wide();
  canvas.height = high;
  if (held?.ready) canvas.getContext("2d").drawImage(held.sheet, (at % state.head.columns) * wide(), Math.floor(at / state.head.columns) * high, wide(), high, 0, 0, wide(), high);
}

const change = (told) => (told.start !== undefined && told.target !== undefined ? `${told.start} → ${told.target}` : told.target !== undefined ? `→ ${told.target}` : `row ${told.row}`);

function dot(verdict) {
  const look = looks.get(verdict), mark = make("span", { className: "dot", textContent: look?.mark ?? "", "aria-hidden": "true" });
  if (look) { mark.style.backgroundColor = look.colour; mark.style.color = look.ink; }
  return mark;
}

function fill(tile, i) {
  const told = row(i), canvas = make("canvas", { className: "pixels" });
  if (told) {
    const verdict = looks.get(told.verdict)?.label ?? told.verdict;
    const words = make("span", { className: "told" }, ...(verdict ? [dot(told.verdict)] : []), make("b", { textContent: change(told) }), make("span", { textContent: told.method ?? told.status ?? "" }));
    tile.setAttribute("aria-label", [change(told).replace("→", "to"), verdict, told.method].filter(Boolean).join(", "));
    tile.replaceChildren(canvas, words);
  } else tile.replaceChildren(canvas);
  picture(canvas, i);
}

// Put tiles where they are in sight, and take away those that are not.
function draw() {
  if (!state.head) return;
  const wall = $("wall"), { total, size } = state.head, narrow = wall.clientWidth < 500;
  const least = state.head.starts ? (narrow ? 150 : 176) : narrow ? 84 : 104;
  const columns = Math.max(1, Math.floor(wall.clientWidth / least)), width = wall.clientWidth / columns;
  const height = ((width - 10) * size[0]) / wide() + 36;
  wall.style.height = `${Math.max(Math.ceil(total / columns) * height, 80)}px`;
  const top = -wall.getBoundingClientRect().top, rows = Math.ceil(innerHeight / height) + 3;
  const first = Math.max(0, Math.floor(top / height) - 1) * columns, last = Math.min(total, first + rows * columns);
  for (const [i, tile] of state.tiles) if ((i < first || i >= last) && tile !== document.activeElement) { tile.remove(); state.tiles.delete(i); }
  for (let i = first; i < last; i++) {
    let tile = state.tiles.get(i);
    if (!tile) {
      tile = make("button", { type: "button", className: "tile", "aria-setsize": total, "aria-posinset": i + 1 });
      tile.addEventListener("click", () => open(i));
      tile.addEventListener("focus", draw);
      state.tiles.set(i, tile);
      fill(tile, i);
      const after = [...state.tiles.keys()].filter((other) => other > i).sort((a, b) => a - b)[0];
      wall.insertBefore(tile, state.tiles.get(after) ?? null); // in the order of the keyboard
    }
    tile.style.left = `${(i % columns) * width}px`;
    tile.style.top = `${Math.floor(i / columns) * height}px`;
    tile.style.width = `${width}px`;
    tile.style.height = `${height}px`;
  }
  for (let number = Math.floor(first / state.head.page); number <= Math.floor(Math.max(first, last - 1) / state.head.page); number++) fetched(number);
}

function open(i) {
  state.open = i;
  fetched(Math.floor(i / state.head.page));
  large();
  if (!$("one").open) $("one").showModal();
}

function large() {
  const told = row(state.open);
  picture($("one-picture"), state.open);
  if (!told) return;
  $("one-title").textContent = change(told);
  $("one-picture").setAttribute("aria-label", state.head.starts ? "The start, and what was found" : "What was found");
  const facts = Object.entries(told).filter(([name, value]) => value !== null && name !== "start" && name !== "target");
  $("one-facts").replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", { textContent: name.replaceAll("_", " ") }), make("dd", { textContent: looks.get(value)?.label ?? value }))));
  $("previous").disabled = state.open === 0;
  $("next").disabled = state.open === state.head.total - 1;
}

$("previous").addEventListener("click", () => open(state.open - 1));
$("next").addEventListener("click", () => open(state.open + 1));
$("close").addEventListener("click", () => $("one").close());
$("one").addEventListener("close", () => { state.open = null; });
$("one").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" && state.open > 0) open(state.open - 1);
  if (event.key === "ArrowRight" && state.open < state.head.total - 1) open(state.open + 1);
});
addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
addEventListener("resize", () => requestAnimationFrame(draw));
state.wanted = Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => name in NAMES));
if (about.gallery) await load();
else $("wall").append(make("p", { className: "none", textContent: "No results were opened; start with: xhat explore --results runs/demo/results.parquet" }));
document.documentElement.dataset.ready = "yes";
