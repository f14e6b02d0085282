// The administrator's page: figures that refresh by themselves, and the few acts there are.

import { ask, calm, complain, make, toast } from "/static/base.js";

const $ = (id) => document.getElementById(id);
let told = null;

const call = async (path, body) =>
  (await ask(`/api/admin/${path}`, { body, headers: told ? { "X-CSRF-Token": told.csrf } : {} })).json();

async function start() {
  const token = decodeURIComponent(location.hash.slice(1));
  try {
    if (token) {
      draw(await call("session", { token }));
      history.replaceState(null, "", location.pathname); // the secret leaves the address
    } else draw(await call("overview"));
  } catch (error) {
    $("closed").hidden = false;
    $("open").hidden = true;
    $("why").textContent = error.message;
    return;
  }
  setInterval(refresh, 5000);
}

async function refresh() {
  if (document.hidden) return;
  try { draw(await call("overview")); calm(); } catch (error) { complain(error); }
}

async function act(path, body, words) {
  try { draw(await call(path, body)); toast(words); } catch (error) { complain(error); }
}

const tile = (value, name) => make("div", { className: "tile" }, make("b", { textContent: value }), make("span", { textContent: name }));
const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));

function ago(seconds) {
  if (seconds === null) return "–";
  const past = Date.now() / 1000 - seconds;
  if (past < 90) return "now";
  if (past < 5400) return `${Math.round(past / 60)} min ago`;
  return past < 129600 ? `${Math.round(past / 3600)} h ago` : `${Math.round(past / 86400)} days ago`;
}

function draw(now) {
  told = now;
  $("closed").hidden = true;
  $("open").hidden = false;
  const { progress, settings } = told;
  $("what").textContent = settings.purpose === "results" ? "judging results" : "collecting labels";
  $("tiles").replaceChildren(
    tile(`${progress.votes} of ${progress.wanted}`, "votes"),
    tile(`${progress.complete} of ${progress.images}`, `images seen by ${settings.each}`),
    tile(told.annotators.filter((each) => each.votes).length, "annotators who voted"),
  );
  $("bar").max = Math.max(progress.wanted, 1);
  $("bar").value = progress.votes;
  $("pause").textContent = told.paused ? "Go on" : "Pause";
  $("paused").textContent = told.paused ? "No images are given out; what is on a screen may still be answered." : "";
  drawAgreement(told.agreement);
  $("who").replaceChildren(...told.annotators.map(row));
  $("simulated").textContent = told.simulated ? `There are also ${told.simulated} simulated annotators; they are never counted or exported as people.` : "";
}

function drawAgreement(found) {
  $("agreement").parentElement.hidden = !found;
  if (!found) return;
  $("agreement").replaceChildren(...found.tiles.map(([value, name]) => tile(value, name)));
  $("agreement-note").textContent = found.note;
}

function row(each) {
  const button = (words, name, said) => {
    const made = make("button", { type: "button", className: "quiet", textContent: words, "aria-label": `${words} ${each.name}` });
    made.addEventListener("click", () => {
      if (name === "revoke" && !confirm(`Revoke ${each.name}? The link stops working for good; the votes stay.`)) return;
      act("annotators", { name: each.name, act: name }, said);
    });
    return made;
  };
  const acts = make("td");
  if (each.state !== "revoked" && each.state !== "expired") acts.append(
    each.paused ? button("Resume", "resume", "Gets images again.") : button("Pause", "pause", "Gets no further images."),
    button("Revoke", "revoke", "Revoked."),
  );
  const golds = make("td", { textContent: each.golds ? `${each.errors} of ${each.golds}${each.careless ? " ⚠" : ""}` : "–" });
  if (each.careless) golds.className = "careless";
  return make("tr", {}, make("td", { textContent: each.name }), make("td", { textContent: each.state }), make("td", { textContent: each.votes }),
    golds, make("td", { textContent: number(each.seconds, 1) }), make("td", { textContent: ago(each.last) }), acts);
}

$("pause").addEventListener("click", () => act("paused", { paused: !told.paused }, told.paused ? "Images are given out again." : "Paused."));
$("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const made = await call("invitations", { count: Number($("count").value) });
    $("list").replaceChildren(...made.invitations.map(({ name, token }) => make("li", { textContent: `${location.origin}/label#${token}`, title: name })));
    $("links").hidden = false;
    refresh();
  } catch (error) { complain(error); }
});
$("copy").addEventListener("click", async () => {
  const text = [...$("list").children].map((each) => each.textContent).join("\n");
  try { await navigator.clipboard.writeText(text); toast("Copied."); } catch { complain(new Error("The browser does not let pages copy here; select the links instead.")); }
});

start();
