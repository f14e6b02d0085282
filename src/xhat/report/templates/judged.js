(() => {
  const whys = document.getElementById("whys"), count = document.getElementById("count");
  const target = document.getElementById("target"), none = document.querySelector(".none");
  const chips = [...document.querySelectorAll(".filters .chip")];
  const picks = [...document.querySelectorAll(".pick")];
  const wide = matchMedia("(min-width: 1000px)");
  const why = (pick) => document.getElementById(pick.hash.slice(1));
  const home = (pick) => pick.closest("[data-t]");
  let chosen = null, outcome = "";

  function shown() { return picks.filter((pick) => !home(pick).hidden); }

  function select(pick, { quiet = false } = {}) {
    if (chosen) {
      chosen.removeAttribute("aria-current");
      why(chosen).classList.remove("open");
    }
    picks.forEach((other) => { other.tabIndex = other === pick ? 0 : -1; }); // arrows do the rest
    chosen = pick;
    whys.hidden = !pick;
    if (!pick) return;
    pick.setAttribute("aria-current", "true");
    why(pick).classList.add("open");
    whys.scrollTop = 0;
    const all = shown();
    document.getElementById("where").textContent = all.indexOf(pick) + 1 + " of " + all.length;
    if (quiet) return;
    try { history.replaceState(null, "", pick.hash); } catch { /* a frame may forbid it */ }
  }

  function open(pick) {
    select(pick);
    whys.classList.add("open");
    if (!wide.matches) why(pick).focus({ preventScroll: true });
  }

  function close() {
    if (!whys.classList.contains("open")) return;
    whys.classList.remove("open");
    if (chosen) chosen.focus();
  }

  function filter() {
    const wanted = target ? target.value : "";
    picks.forEach((pick) => {
      const { o, t } = home(pick).dataset;
      home(pick).hidden = (outcome && o !== outcome) || (wanted && t !== wanted);
    });
    const all = shown();
    none.hidden = all.length > 0;
    count.textContent = all.length + (all.length === 1 ? " sample" : " samples");
    select(all.includes(chosen) ? chosen : all[0] || null, { quiet: true });
  }

  function beside(pick, key) {
    const all = shown(), at = all.indexOf(pick), top = (other) => other.getBoundingClientRect().top;
    const columns = all.filter((other) => top(other) === top(all[0])).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
    return { Home: all[0], End: all[all.length - 1] }[key] || (step && all[at + step]);
  }

  function go(step) {
    const all = shown(), next = all[all.indexOf(chosen) + step];
    if (next) select(next);
  }

  picks.forEach((pick) => {
    pick.addEventListener("click", (event) => { event.preventDefault(); open(pick); });
    pick.addEventListener("keydown", (event) => {
      const next = beside(pick, event.key);
      if (!next) return;
      event.preventDefault();
      select(next);
      next.focus();
    });
    if (home(pick).tagName === "TR") {
      home(pick).addEventListener("click", (event) => { if (!event.target.closest("a")) open(pick); });
    }
  });
  chips.forEach((chip) => chip.addEventListener("click", () => {
    const on = chip.getAttribute("aria-pressed") !== "true";
    chips.forEach((other) => other.setAttribute("aria-pressed", String(on && other === chip)));
    outcome = on ? chip.dataset.o : "";
    filter();
  }));
  if (target) target.addEventListener("change", filter);
  document.getElementById("back").addEventListener("click", () => go(-1));
  document.getElementById("next").addEventListener("click", () => go(1));
  document.getElementById("close").addEventListener("click", close);
  whys.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !chosen) return;
    const reading = why(chosen).contains(document.activeElement);
    event.preventDefault();
    go(step);
    if (reading) why(chosen).focus({ preventScroll: true });
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });

  function arrive() {
    const asked = picks.find((pick) => pick.hash === location.hash);
    if (!asked) return;
    if (home(asked).hidden) {
      outcome = "";
      chips.forEach((chip) => chip.setAttribute("aria-pressed", "false"));
      if (target) target.value = "";
      filter();
    }
    open(asked);
  }
  filter();
  arrive();
  addEventListener("hashchange", arrive);
})();
