"use strict";
// The page: what is typed, what is chosen, and what the address says of it. Needs data.js, details.js, rows.js.

const element = id => document.getElementById(id);
const state = { rows: null, source: null, at: null, token: null, text: null, sent: 0, timer: 0, model: null, whole: false }; // at: [side, number] of the last chosen token
const contained = element("data");
const hint = element("hint");
const wide = window.matchMedia("(min-width: 60.01rem)"); // as in view.css
const framed = location.protocol === "about:"; // in a notebook: there is no address of its own

function say(words, bad = false) {
  element("status").textContent = words;
  element("status").classList.toggle("bad", bad);
}

// Shows what a text was made of. `place`: the character whose token stays chosen; null if none does, undefined to go by its number.
function show(source, whole = false, place = undefined) {
  const { models, differences } = source.header, { at } = state;
  clear(whole);
  state.source = source;
  fill("counts", countLists(models, differences));
  if (models[0].messages.length) fill("messages", [messageTable(models)]);
  element("heads").replaceChildren(make("span", "Token"), ...models.map(model => make("span", model.name)));
  document.querySelector(".columns").classList.toggle("pair", models.length > 1);
  element("jumps").hidden = !(differences && differences.places);
  state.rows = new Rows(source, element("rows"), chosen, failed, whole);
  state.rows.ids = element("ids").checked;
  limit();
  const notes = models.flatMap(model => model.notes.map(note => `${model.name}: ${note}`));
  say([models.map(model => `${model.name}: ${grouped(model.counts.tokens)} tokens`).join("; "), ...notes].join(". "));
  if (at) keep(at, place).catch(failed);
}

// Chooses the token that was chosen before; someone may be typing.
async function keep([side, before], place) {
  const { rows } = state, number = place === undefined ? before : place === null ? null : await rows.holding(side, place);
  if (rows !== state.rows) return;
  if (number === null) state.at = null;
  else await rows.choose(side, number, { focus: false, scroll: false });
  remember();
}

// Where a character stands after a change of the text: as far from the end that did not change; null if it is gone.
function moved(char, before, now) {
  const old = [...before], made = [...now];
  let same = 0, rest = 0;
  while (same < old.length && same < made.length && old[same] === made[same]) same++;
  while (rest < old.length - same && rest < made.length - same && old.at(-1 - rest) === made.at(-1 - rest)) rest++;
  return char < same ? char : char >= old.length - rest ? char + made.length - old.length : null;
}

// No text, no tokens: what stood there belongs to another text, or to another model.
function clear(whole = false) {
  if (state.rows) state.rows.close();
  state.rows = state.source = null;
  if (!whole) element("rows").replaceChildren();
  element("heads").replaceChildren();
  for (const id of ["counts", "messages", "jumps", "tip"]) element(id).hidden = true;
  element("limit-says").textContent = "";
  element("details").replaceChildren(hint);
  element("details").hidden = false;
}

function fill(id, content) {
  element(id).hidden = false;
  element(id).lastElementChild.replaceChildren(...content);
}

// What the server no longer has is asked for again; anything else is said.
function failed(error) {
  if (error.gone) soon(); else say(error.message, true);
}

let panel = 0;
async function chosen(side, token) {
  const model = state.source.header.models[side], mine = ++panel, source = state.source;
  state.at = [side, token.number];
  state.token = token;
  const close = make("button", "Close", { type: "button", id: "close" });
  element("details").replaceChildren(close, ...tokenDetails(model, token, source.header.ends[side]));
  element("details").hidden = false;
  remember();
  if (token.piece < 0) return;
  try {
    const piece = await source.piece(side, token.piece);
    if (mine === panel) element("details").append(...pieceDetails(model, piece, token));
  } catch (error) {
    if (mine !== panel) return;
    element("details").append(make("p", error.message, { class: "bad" }));
    failed(error);
  }
}

// The panel goes; the token stays chosen.
function closeDetails() {
  element("details").hidden = true;
  element("rows").querySelector("li[aria-current]")?.focus({ preventScroll: true });
}

// The tip of the token below the pointer.
async function point(event) {
  const item = event.pointerType === "mouse" && event.target.closest("#rows li:not(.m, .g)"), box = element("tip");
  const rows = state.rows, place = item && await rows.numberOf(item);
  box.hidden = !place;
  if (!place) return;
  box.textContent = tip((await rows.item(...place)).token);
  const at = item.getClientRects()[0], size = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(at.left, document.documentElement.clientWidth - size.width - 4))}px`;
  box.style.top = `${at.top > size.height + 6 ? at.top - size.height - 4 : at.bottom + 4}px`;
}

// Where token number N falls.
async function limit() {
  if (!state.rows) return;
  const wanted = element("limit").value, total = state.source.header.ends[0], says = element("limit-says");
  const number = Number(wanted), rows = state.rows, valid = wanted !== "" && Number.isInteger(number) && number >= 0;
  rows.limit = valid && number < total ? [0, number] : null;
  if (wanted === "") says.textContent = "";
  else if (!valid) says.textContent = `Expected a whole number of tokens, found ${wanted}.`;
  else if (number >= total) says.textContent = `All ${grouped(total)} tokens fit; ${grouped(number - total)} are left.`;
  else {
    const { token } = await rows.item(0, number), before = number > 0 ? (await rows.item(0, number - 1)).token : null;
    if (rows !== state.rows || element("limit").value !== wanted) return; // another answer is on the way
    const inside = before && token.chars[0] < before.chars[1] ? ", inside a character" : "";
    says.textContent = `Full before token ${grouped(number + 1)}: byte ${grouped(token.bytes[0])}, character ${grouped(token.chars[0])}${inside}; ${grouped(total - number)} tokens too many.`;
  }
  await rows.markAll();
}

// The address tells the settings and the place, never the text.
function remember() {
  if (framed) return;
  const found = new URLSearchParams();
  for (const id of ["model", "other", "special", "kind", "limit"]) if (element(id) && element(id).value) found.set(id, element(id).value);
  for (const id of ["bos", "eos", "ids"]) if (element(id) && element(id).checked) found.set(id, "1");
  if (!element("blanks").checked) found.set("blanks", "0");
  if (state.at) found.set("token", state.at.join("."));
  history.replaceState(null, "", `#${found}`);
}

function recall() {
  const found = new URLSearchParams(location.hash.slice(1));
  for (const id of ["model", "other", "special", "kind", "limit"]) {
    const field = element(id), value = found.get(id);
    if (field && value !== null && (!field.options || [...field.options].some(option => option.value === value))) field.value = value;
  }
  for (const id of ["bos", "eos", "ids"]) if (element(id) && found.has(id)) element(id).checked = true;
  if (found.get("blanks") === "0") element("blanks").checked = false;
  const [side, number] = (found.get("token") || "").split(".").map(Number);
  return number >= 0 ? [side, number] : null;
}

function looks() {
  element("tokens").classList.toggle("blanks", element("blanks").checked);
  document.body.classList.toggle("ids", element("ids").checked);
  if (state.rows) {
    state.rows.ids = element("ids").checked;
    state.rows.markAll();
  }
}

function refuse(words) {
  clear();
  say(words, true);
}

// Sends the text; of several answers the last one counts.
async function send() {
  if (!state.most) return; // the server has not said yet what to begin with: then all is sent
  if (element("text").value.length > state.most) {
    refuse(`Expected at most ${grouped(state.most)} characters: dstok show and dstok dump take texts of any length.`);
    busy(false);
    return;
  }
  busy(true);
  clearTimeout(state.timer);
  state.timer = 0; // nothing has been typed since
  const mine = ++state.sent, value = id => element(id).value, on = id => element(id).checked;
  say("Tokenizing …");
  const text = state.whole && value("text") === "" ? null : value("text");
  try {
    const made = await ask("encode", {
      text, model: value("model"), other: value("other"), special: value("special"), kind: value("kind"), bos: on("bos"), eos: on("eos"),
    });
    if (mine !== state.sent) return;
    const place = state.token && state.text !== null && text !== null && !value("kind") ? moved(state.token.chars[0], state.text, text) : undefined;
    state.text = text;
    show(new Served(made), false, place);
  } catch (error) {
    if (mine === state.sent) refuse(error.message);
  }
  if (mine === state.sent && state.timer === 0) busy(false);
}

const busy = now => element("tokens").setAttribute("aria-busy", String(now));

function soon() {
  busy(true);
  clearTimeout(state.timer);
  state.timer = setTimeout(send, element("text").value.length > 200000 ? 400 : 120);
}

function download(name, href) {
  make("a", "", { download: name, href }).click();
}

function save(kind, name, type, here) {
  if (state.source) download(name, state.source.saved?.[kind] ?? URL.createObjectURL(new Blob([here()], { type })));
}

// The rules of the style that hold here and now: in a picture, a question about the window would have another answer.
const ruling = rules => [...rules].map(rule => (rule.media ? (matchMedia(rule.media.mediaText).matches ? ruling(rule.cssRules) : "") : rule.cssText)).join("\n");

const TALLEST = 8000; // pixels of a picture: what is below is left out

// The rows that are filled, as a picture.
async function picture() {
  const box = document.querySelector(".columns"), all = element("tokens"), width = all.offsetWidth, height = Math.min(all.offsetHeight, TALLEST);
  const copy = all.cloneNode(true), rows = [...all.querySelectorAll(".row")].map(row => row.offsetTop - all.offsetTop > height);
  [...copy.querySelectorAll(".row")].forEach((row, i) => { if (rows[i]) row.remove(); });
  copy.querySelectorAll("[aria-current]").forEach(item => item.removeAttribute("aria-current"));
  const page = make("div", [make("style", [...document.styleSheets].map(sheet => ruling(sheet.cssRules)).join("\n")),
    make("div", [copy], { class: box.className })], { class: document.body.className });
  page.lastChild.style.display = "block";
  page.style.cssText = `background: ${getComputedStyle(document.body).backgroundColor}; color: ${getComputedStyle(document.body).color}; font: 16px/1.5 system-ui, sans-serif`;
  const template = document.createElement("template");
  template.innerHTML = `<svg width="${width}" height="${height}"><foreignObject width="100%" height="100%"></foreignObject></svg>`;
  template.content.firstChild.firstChild.append(page);
  const svg = new XMLSerializer().serializeToString(template.content); // which adds the names of the namespaces
  const image = new Image(), canvas = document.createElement("canvas"), scale = 2;
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  canvas.width = scale * width;
  canvas.height = scale * height;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob(blob => download("tokens.png", URL.createObjectURL(blob)));
}

async function copyLink() {
  remember();
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied. It holds the settings, not the text.");
  } catch {
    say("The link stands in the address bar. It holds the settings, not the text.");
  }
}

function listen() {
  window.addEventListener("unhandledrejection", event => failed(event.reason));
  element("rows").addEventListener("click", async event => {
    const item = event.target.closest("#rows li:not(.g)");
    const token = item && (item.classList.contains("m") ? item.querySelector("li") : item);
    const place = token && await state.rows.numberOf(token);
    if (place) await state.rows.choose(...place);
  });
  element("rows").addEventListener("pointerover", point);
  element("rows").addEventListener("pointerleave", () => { element("tip").hidden = true; });
  window.addEventListener("scroll", () => { element("tip").hidden = true; }, { passive: true });
  element("details").addEventListener("click", event => { if (event.target.id === "close") closeDetails(); });
  document.addEventListener("keydown", event => {
    if (event.key !== "Escape") return;
    element("tip").hidden = true;
    if (state.rows && state.rows.at) closeDetails();
  });
  element("messages").addEventListener("click", async event => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault(); // the address holds the settings
    const row = element(link.hash.slice(1));
    await state.rows.choose(0, state.rows.first(0, row.number), { scroll: false });
    row.scrollIntoView({ block: "start" });
  });
  const fold = () => document.querySelectorAll(".fold").forEach(each => { each.open = wide.matches; });
  wide.addEventListener("change", fold);
  fold();
  element("rows").addEventListener("focusin", async event => {
    const place = !state.rows.at && event.target.matches("li") && await state.rows.numberOf(event.target);
    if (place) await state.rows.choose(...place, { focus: false });
  });
  element("rows").addEventListener("keydown", event => state.rows.key(event));
  element("blanks").addEventListener("change", () => { looks(); remember(); });
  element("ids").addEventListener("change", () => { looks(); remember(); });
  element("limit").addEventListener("input", async () => {
    await limit();
    remember();
    const place = state.rows?.limit;
    if (place) state.rows.show((await state.rows.item(...place)).item);
  });
  element("after").addEventListener("click", () => jump(1));
  element("before").addEventListener("click", () => jump(-1));
  element("save-json").addEventListener("click", () => save("json", "tokens.json", "application/json", () => contained.textContent));
  element("save-page").addEventListener("click", () => save("page", "tokens.html", "text/html"));
  element("save-page").hidden = Boolean(contained); // it is the page itself
  element("save-picture").addEventListener("click", () => picture().catch(failed));
  element("link").addEventListener("click", copyLink);
  document.querySelector(".skip").addEventListener("click", event => {
    event.preventDefault();
    (document.querySelector("#rows li[tabindex]") || element("tokens")).focus();
  });
  element("link").hidden = framed;
  if (!element("editor")) return;
  element("text").addEventListener("input", soon);
  element("kind").addEventListener("change", () => {
    const version = element("kind").value; // the messages' texts are plain, and the model is the version's
    element("special").value = version ? "none" : "all";
    if (state.versions[version]) element("model").value = state.versions[version];
  });
  for (const id of ["model", "other", "special", "kind", "bos", "eos"]) element(id).addEventListener("change", () => { remember(); send(); });
  element("editor").addEventListener("submit", event => event.preventDefault());
}

async function jump(way) {
  if (state.rows && !await state.rows.difference(way)) say("There is no further difference that way.");
}

function options(id, values) {
  element(id).replaceChildren(...values.map(([value, label]) => make("option", label, { value })));
}

async function begin() {
  listen();
  if (contained) {
    const place = recall();
    const all = JSON.parse(contained.textContent);
    show(new Contained(all), !all.html);
    looks();
    if (place) state.rows.choose(...place, { focus: false });
    return;
  }
  const start = await ask("start");
  options("model", start.models.map(name => [name, name]));
  options("other", [["", "nothing"], ...start.others.map(name => [name, name])]);
  options("kind", [["", "text"], ...Object.keys(start.versions).map(name => [name, `conversation, ${name}`])]);
  state.versions = start.versions;
  for (const id of ["model", "other", "special", "kind"]) element(id).value = start[id];
  element("bos").checked = start.bos;
  element("eos").checked = start.eos;
  state.most = start.most;
  state.whole = start.text === null; // too large for a text box: the server has it
  element("text").value ||= start.text ?? ""; // someone may have typed already
  if (state.whole) element("text").placeholder = `The text of ${start.about}, ${grouped(start.size)} characters, does not stand here. What is typed replaces it.`;
  element("about").textContent = start.about;
  const place = recall();
  looks();
  await send();
  if (place && state.rows) state.rows.choose(...place, { focus: false });
}

begin();
