(() => {
  const root = document.documentElement;
  const card = document.getElementById("card");
  const cells = [...document.querySelectorAll(".cell")];
  const at = new Map(cells.map((cell) => [key(cell.dataset.k, cell.dataset.i, cell.dataset.j), cell]));
  const names = [...document.querySelectorAll(".panel h3")].map((head) => head.textContent);
  let shown = null, twins = [], leaving = 0;

  function key(k, i, j) { return k + " " + i + " " + j; }

  function make(kind, name, ...inside) {
    const node = document.createElement(kind);
    node.className = name;
    node.append(...inside);
    return node;
  }

  function framed(picture, outcome) {
    const frame = make("span", "frame", picture.cloneNode());
    if (outcome) frame.dataset.o = outcome;
    return frame;
  }

  function show(cell) {
    clearTimeout(leaving);
    if (cell === shown) return;
    hide();
    shown = cell;
    const { k, i, j, o } = cell.dataset;
    const start = cell.closest("tr").querySelector(".from .px");
    const duo = make("div", "duo", framed(start), make("span", "arrow", "→"),
      framed(cell.querySelector(".px"), o), make("span", "name", names[k]));
    const [head, ...lines] = cell.querySelector(".ev").childNodes;
    const text = make("div", "text", head.cloneNode(true), lines.map((n) => n.textContent).join("").trim());
    const others = make("div", "others");
    names.forEach((name, n) => {
      const twin = at.get(key(n, i, j));
      const mini = make("span", n == k ? "mini now" : "mini", framed(twin.querySelector(".px"), twin.dataset.o), name);
      others.append(mini);
      if (twin !== cell) { twin.classList.add("twin"); twins.push(twin); }
    });
    card.replaceChildren(duo, text, ...(names.length > 1 ? [others] : []));
    card.setAttribute("aria-hidden", "true"); // its words are the cell's own name already
    card.hidden = false;
    place(cell);
  }

  function place(cell) {
    const box = cell.getBoundingClientRect(), w = card.offsetWidth, h = card.offsetHeight;
    let x = box.right + 14;
    if (x + w > innerWidth - 8) x = box.left - w - 14;
    if (x < 8) x = Math.max(8, Math.min(innerWidth - w - 8, box.left));
    const y = Math.max(8, Math.min(innerHeight - h - 8, box.top - 40));
    card.style.left = x + "px";
    card.style.top = y + "px";
  }

  function hide() {
    clearTimeout(leaving);
    twins.forEach((twin) => twin.classList.remove("twin"));
    twins = [];
    shown = null;
    card.hidden = true;
  }

  function leave() {
    clearTimeout(leaving);
    leaving = setTimeout(() => {
      const focused = document.activeElement;
      if (focused && focused.matches(".cell:focus-visible")) show(focused); else hide();
    }, 160);
  }

  function move(event) {
    const { k, i, j } = event.target.dataset;
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step) return;
    const next = at.get(key(k, +i + step[0], +j + step[1]));
    event.preventDefault();
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  root.classList.add("js");
  cells.forEach((cell) => {
    cell.tabIndex = cell.dataset.i === "0" && cell.dataset.j === "0" ? 0 : -1; // arrows do the rest
    cell.addEventListener("pointerenter", () => show(cell));
    cell.addEventListener("pointerleave", leave);
    cell.addEventListener("focus", () => show(cell));
    cell.addEventListener("blur", leave);
    cell.addEventListener("click", () => { cell.focus(); show(cell); });
    cell.addEventListener("keydown", move);
  });
  card.addEventListener("pointerenter", () => clearTimeout(leaving));
  card.addEventListener("pointerleave", leave);
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  for (const change of ["scroll", "resize"]) {
    addEventListener(change, () => { if (shown) place(shown); }, { passive: true });
  }

  const chips = [...document.querySelectorAll(".chip[data-o]")];
  chips.forEach((chip) => chip.addEventListener("click", () => {
    const on = chip.getAttribute("aria-pressed") !== "true";
    chips.forEach((other) => other.setAttribute("aria-pressed", String(on && other === chip)));
    if (on) document.body.dataset.only = chip.dataset.o; else delete document.body.dataset.only;
  }));
  const marks = document.getElementById("marks");
  marks.addEventListener("click", () => {
    marks.setAttribute("aria-pressed", String(document.body.classList.toggle("marked")));
  });
  const pause = document.getElementById("pause");
  if (pause) {
    const image = document.getElementById("morph"), source = image.previousElementSibling;
    const moving = image.src, still = source.srcset;
    let moves = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    const tell = () => { pause.textContent = moves ? "Show the last frame only" : "Play the movement"; };
    pause.addEventListener("click", () => {
      moves = !moves;
      source.remove();
      image.src = moves ? moving : still;
      tell();
    });
    tell();
  }
})();
