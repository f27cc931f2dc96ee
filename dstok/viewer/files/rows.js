"use strict";
// The tokens, in rows: one a section of the sheet, filled when it comes near to the window and emptied when it is far.
// A row has a list of tokens for each reading. The chosen token has the focus; what moves it, does so by its number.

const ROLES = ["system", "developer", "user", "assistant", "tool"]; // those that have a colour

class Rows {
  // `chosen(side, token)` is called with a token that has been chosen, `failed(error)` if a row cannot be had.
  constructor(source, box, chosen, failed, whole) {
    this.source = source;
    this.box = box;
    this.chosen = chosen;
    this.failed = failed;
    this.whole = whole; // the rows stand in the page already
    this.sections = source.header.sections;
    this.sides = source.header.models.length;
    this.filled = new Map(); // number of a row: its lists of items, and of columns
    this.at = null; // [side, number] of the chosen token
    this.limit = null; // [side, number] that the budget ends before
    this.ids = false;
    this.moving = null; // the last move by a key
    this.watcher = new IntersectionObserver(seen => this.see(seen), { rootMargin: "1500px 0px" });
    if (!whole) box.replaceChildren(...this.sections.map((section, number) => this.empty(section, number)));
    [...box.children].forEach((row, number) => {
      row.number = number;
      if (this.source.header.models[0].messages.length) this.frame(row, number);
      this.watcher.observe(row);
    });
  }

  close() {
    this.watcher.disconnect();
    this.wanted = null; // a choice that is on the way is dropped
  }

  empty(section, number) {
    const row = make("div", [make("span", grouped(section[0] + 1), { class: "at", "aria-hidden": "true" })], { class: "row" });
    row.style.minHeight = `${Math.max(2, section[this.sides + 1], section[this.sides] * this.sides / 90) * 1.9}rem`;
    row.number = number;
    return row;
  }

  // The number of the message that a row's tokens belong to, -1 for the format's own.
  message(number) {
    return this.sections[number]?.[this.sides + 3];
  }

  // A message's rows get one frame, and its first row a heading.
  frame(row, number) {
    const message = this.message(number), { role } = this.source.header.models[0].messages.at(message);
    row.classList.add("message", ...(ROLES.includes(role) ? [role] : []));
    row.classList.toggle("ends", this.message(number + 1) !== message);
    if (this.message(number - 1) === message) return;
    row.classList.add("begins");
    if (message >= 0) row.id = `message-${message}`;
    row.prepend(make("h2", message < 0 ? "the format's own" : [make("b", role), ` message ${message}`], { class: "role" }));
  }

  see(seen) {
    for (const each of seen) {
      if (each.isIntersecting) this.fill(each.target.number).catch(this.failed);
      else if (!this.whole && this.at && this.rowOf(...this.at) !== each.target.number) this.clear(each.target);
      else if (!this.whole && !this.at) this.clear(each.target);
    }
  }

  clear(row) {
    if (!this.filled.has(row.number)) return;
    row.style.minHeight = `${row.offsetHeight}px`;
    row.querySelectorAll(":scope > ol").forEach(list => list.remove());
    this.filled.delete(row.number);
  }

  // The row with its tokens, the same promise for who asks again; null if the row is emptied before they are there.
  fill(number) {
    if (!this.filled.has(number)) {
      const current = () => this.filled.get(number) === loading, loading = this.load(number, current);
      this.filled.set(number, loading);
      loading.catch(() => { if (current()) this.filled.delete(number); });
    }
    return this.filled.get(number);
  }

  // The row with its tokens, for who needs them wherever the window is.
  async loaded(number) {
    let found = null;
    while (found === null) found = await this.fill(number);
    return found;
  }

  async load(number, current) {
    const row = this.box.children[number], section = await this.source.section(number);
    if (!current()) return null; // emptied meanwhile: if the row is wanted again, another load fills it
    if (!this.whole) {
      // The HTML is the library's own, escaped by html.py; the page's policy lets no script in it run.
      const template = document.createElement("template");
      template.innerHTML = section.html.join("");
      row.append(template.content);
      row.style.minHeight = "";
    }
    const lists = [...row.querySelectorAll(":scope > ol")];
    const items = lists.map(list => [...list.querySelectorAll("li:not(.m, .g)")]);
    lists.forEach((list, side) => list.setAttribute("aria-label", `${this.sides > 1 ? `${this.source.header.models[side].name}, ` : ""}from token ${grouped(this.first(side, number) + 1)}`));
    const tokens = section.tokens.map(columns => (columns instanceof Tokens ? columns : new Tokens(columns)));
    const found = { items, tokens };
    if (number === 0 && !this.at && items[0][0]) items[0][0].tabIndex = 0;
    this.mark(number, found);
    return found;
  }

  first(side, number) {
    return number < this.sections.length ? this.sections[number][side] : this.source.header.ends[side];
  }

  // The number of the token that holds a character, by the character's number; null if none does.
  async holding(side, char) {
    let row = 0, end = this.sections[0][this.sides]; // a section's characters stand behind the first token of each side
    while (end <= char && row + 1 < this.sections.length) end += this.sections[++row][this.sides];
    const { tokens } = await this.loaded(row);
    for (let number = this.first(side, row); number < this.first(side, row + 1); number++) {
      const { chars } = tokens[side].token(number);
      if (chars[0] <= char && char < chars[1]) return number;
    }
    return null;
  }

  // The row that has a token.
  rowOf(side, number) {
    let low = 0, high = this.sections.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.sections[middle][side] <= number) low = middle; else high = middle - 1;
    }
    return low;
  }

  async item(side, number) {
    const row = this.rowOf(side, number), { items, tokens } = await this.loaded(row);
    return { item: items[side][number - this.first(side, row)], token: tokens[side].token(number) };
  }

  // Ids, and the place where the budget ends, in a row that is filled.
  mark(number, { items, tokens }) {
    items.forEach((list, side) => list.forEach((item, i) => {
      const token = this.first(side, number) + i;
      if (this.ids) {
        item.dataset.id = tokens[side].ids[token - tokens[side].start];
        const end = (item.querySelector(":scope > bdi") ?? item).lastChild; // after a line feed an id would stand in the next line
        if (end?.className === "n") end.dataset.id = item.dataset.id;
      }
      const ends = this.limit && this.limit[0] === side && this.limit[1] === token;
      item.classList.toggle("limit", Boolean(ends));
      if (ends) item.dataset.limit = `token ${grouped(token + 1)}`;
    }));
  }

  async markAll() {
    for (const [number, loading] of this.filled) {
      const found = await loading;
      if (found) this.mark(number, found);
    }
  }

  // Choose a token by its number, if there is one; `focus`: give it the focus, `scroll`: bring it into the window.
  async choose(side, number, { focus = true, scroll = true } = {}) {
    if (!(Number.isInteger(number) && number >= 0 && number < this.source.header.ends[side])) return;
    const wanted = (this.wanted = [side, number]);
    const { item, token } = await this.item(side, number);
    if (this.wanted !== wanted) return; // another one has been chosen since
    const before = this.box.querySelectorAll("li[tabindex]");
    for (const other of before) {
      other.removeAttribute("aria-current");
      if (other !== item) other.removeAttribute("tabindex"); // without one it would lose the focus
    }
    this.at = wanted;
    item.tabIndex = 0;
    item.setAttribute("aria-current", "true");
    if (focus) item.focus({ preventScroll: true });
    if (scroll) this.show(item);
    this.chosen(side, token);
  }

  show(item) {
    const place = item.getBoundingClientRect(), narrow = !wide.matches;
    const top = narrow ? 0 : document.querySelector(".tools").offsetHeight; // what covers the rows: tools, or the panel
    const bottom = window.innerHeight * (narrow ? 0.58 : 1);
    if (place.top < top + 8 || place.bottom > bottom - 8) item.scrollIntoView({ block: "center" });
  }

  // [side, number] of the item, if it is a token.
  async numberOf(item) {
    const row = item.closest(".row"), { items } = await this.loaded(row.number);
    for (const [side, list] of items.entries()) {
      const i = list.indexOf(item);
      if (i >= 0) return [side, this.first(side, row.number) + i];
    }
    return null;
  }

  // The token in the next line of the window, up or down, that lies nearest.
  async inLine(way) {
    const [side, number] = this.at, { item } = await this.item(side, number), from = item.getBoundingClientRect();
    const height = Math.max(8, from.height / 2), middle = from.left + from.width / 2;
    let best = null, line = null;
    for (let at = number + way, tries = 0; tries < 3000 && at >= 0 && at < this.source.header.ends[side]; at += way, tries++) {
      const place = (await this.item(side, at)).item.getBoundingClientRect();
      const beyond = way * (place.top - from.top) > height;
      if (!beyond) continue;
      if (line !== null && way * (place.top - line) > height) break;
      line ??= place.top;
      const distance = Math.abs(place.left + place.width / 2 - middle);
      if (best === null || distance < best.distance) best = { at, distance };
    }
    if (best) await this.choose(side, best.at);
  }

  // The next or previous stretch of tokens that the other reading lacks: its first token.
  async difference(way) {
    const [side, number] = this.at || [0, -1], differing = this.sides + 2;
    for (let row = this.rowOf(side, Math.max(0, number)); row >= 0 && row < this.sections.length; row += way) {
      if (!this.sections[row][differing]) continue;
      const starts = (await this.stretches(side, row)).filter(at => way * (at - number) > 0);
      if (starts.length === 0) continue;
      await this.choose(side, starts.at(way > 0 ? 0 : -1));
      return true;
    }
    return false;
  }

  // The tokens of a row at which such stretches begin.
  async stretches(side, row) {
    const { items } = await this.loaded(row), lacks = item => item.classList.contains("d");
    const last = row > 0 && this.sections[row - 1][this.sides + 2] ? (await this.loaded(row - 1)).items[side].at(-1) : null;
    let before = Boolean(last && lacks(last));
    return items[side].flatMap((item, i) => {
      const begins = lacks(item) && !before;
      before = lacks(item);
      return begins ? [this.first(side, row) + i] : [];
    });
  }

  async key(event) {
    if (!this.at || event.altKey || event.metaKey) return;
    const [side, number] = this.at, row = this.rowOf(side, number), last = this.source.header.ends[side] - 1;
    const item = event.target.closest("li"), turned = item && getComputedStyle(item).direction === "rtl" ? -1 : 1;
    const moves = {
      ArrowRight: () => this.choose(side, number + turned), ArrowLeft: () => this.choose(side, number - turned),
      ArrowDown: () => this.inLine(1), ArrowUp: () => this.inLine(-1),
      Home: () => this.choose(side, event.ctrlKey ? 0 : this.first(side, row)),
      End: () => this.choose(side, event.ctrlKey ? last : this.first(side, row + 1) - 1),
      PageDown: () => this.choose(side, Math.min(last, this.first(side, row + 1))),
      PageUp: () => this.choose(side, this.first(side, Math.max(0, row - 1))),
      d: () => this.difference(1), D: () => this.difference(-1),
    };
    if (!moves[event.key] || (event.ctrlKey && !["Home", "End"].includes(event.key))) return;
    event.preventDefault();
    this.moving = moves[event.key]().catch(this.failed);
    await this.moving;
  }
}
