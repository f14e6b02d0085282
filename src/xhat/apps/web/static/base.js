// What all pages share: asking the server, saying what went wrong, saying what was done.

export class Refused extends Error {
  constructor(message, status, seconds) {
    super(message);
    this.status = status; // 0 where the server could not be reached
    this.seconds = seconds; // to wait, where the server said so
  }
}

// Ask for `path`; a body (object → JSON, bytes as they are) makes it a POST. Returns the Response.
export async function ask(path, { body, method, signal, keepalive, headers } = {}) {
  const raw = body instanceof ArrayBuffer || ArrayBuffer.isView(body);
  const options = { method: method ?? (body === undefined ? "GET" : "POST"), signal, keepalive, credentials: "same-origin", headers: { "X-Xhat": "1", ...headers } };
  if (body !== undefined) {
    options.headers["Content-Type"] = raw ? "application/octet-stream" : "application/json";
    options.body = raw ? body : JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server cannot be reached; is it still running?", 0);
  }
  if (!answer.ok) {
    let said = `The server answered ${answer.status}.`;
    try { said = (await answer.json()).error ?? said; } catch { /* no JSON: keep the sentence */ }
    throw new Refused(said, answer.status, Number(answer.headers.get("Retry-After")) || undefined);
  }
  return answer;
}

// As `ask`, but returns what the JSON of the answer says.
export const api = async (path, options) => (await ask(path, options)).json();

// Read server-sent events from an answer: yields [event, data], data parsed from JSON.
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      let event = "message", data = "";
      for (const line of rest.slice(0, end).split("\n")) {
        if (line.startsWith("event: ")) event = line.slice(7);
        else if (line.startsWith("data: ")) data += line.slice(6);
      }
      if (data) yield [event, JSON.parse(data)];
    }
  }
}

// A banner at the top that says what is wrong, until it is closed or `calm()` is called.
export function complain(error) {
  if (error?.name === "AbortError") return;
  const banner = document.getElementById("banner") ?? make("div", { id: "banner", className: "banner", role: "alert" });
  const close = make("button", { type: "button", textContent: "Close" });
  close.addEventListener("click", calm);
  banner.replaceChildren(make("span", { textContent: error?.message ?? String(error) }), close);
  document.body.prepend(banner);
}
export const calm = () => document.getElementById("banner")?.remove();

let fading;
// A few words that go away by themselves; read aloud by screen readers.
export function toast(words, seconds = 2.5) {
  const shown = document.getElementById("toast") ?? make("div", { id: "toast", className: "toast", role: "status" });
  document.body.append(shown);
  shown.textContent = words;
  clearTimeout(fading);
  fading = setTimeout(() => shown.remove(), 1000 * seconds);
}

// An element with properties (role and aria-* as attributes) and children; text is never HTML.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name.startsWith("aria-") || name.startsWith("data-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}
