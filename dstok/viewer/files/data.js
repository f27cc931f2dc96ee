"use strict";
// Where a page has its tokens from: a server, or the page itself. Both answer `header`, `section`, `piece` as sheet.py says.

// The columns of one reading's tokens, from number `start` on.
class Tokens {
  constructor(columns) {
    Object.assign(this, columns);
    const size = columns.ids.length;
    this.places = { bytes: new Uint32Array(2 * size), chars: new Uint32Array(2 * size) };
    for (const name of ["bytes", "chars"]) {
      let at = 0;
      for (let i = 0; i < size; i++) {
        at += columns[name][2 * i];
        this.places[name].set([at, at + columns[name][2 * i + 1]], 2 * i);
      }
    }
    let piece = 0;
    this.numbers = columns.pieces.map(step => (piece += step));
    this.special = new Set(columns.added);
  }

  // All that the columns have of a token, by its number in the text.
  token(number) {
    const i = number - this.start, id = this.ids[i];
    const span = name => [this.places[name][2 * i], this.places[name][2 * i + 1]];
    return {
      number, id, hex: this.hex[id], bytes: span("bytes"), chars: span("chars"), piece: this.numbers[i],
      state: this.states[number] || "", added: this.special.has(number), message: this.messages ? this.messages[i] : null,
    };
  }
}

// Asks the server that the page comes from. A reply that says `error` is one.
async function ask(path, body) {
  const request = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, request).catch(() => {
    throw new Error("No answer: dstok view has ended, or what was sent is too large.");
  });
  const value = await reply.json();
  if (value.error !== undefined) throw Object.assign(new Error(value.error), { gone: reply.status === 410 });
  return value;
}

// What the server made of a text.
class Served {
  constructor(made) {
    this.header = made.header;
    this.name = made.result;
    this.known = new Map([[0, made.first]]);
    this.saved = { json: `export?result=${this.name}`, page: `page?result=${this.name}` };
  }

  section(number) {
    if (!this.known.has(number)) {
      const asked = ask(`section?result=${this.name}&number=${number}`);
      asked.catch(() => this.known.delete(number)); // to be asked for again
      this.known.set(number, asked);
    }
    const found = this.known.get(number);
    if (this.known.size > 300) this.known.delete(this.known.keys().next().value);
    return Promise.resolve(found);
  }

  piece(side, number) {
    return ask(`piece?result=${this.name}&side=${side}&number=${number}`);
  }
}

// What stands in the page: the sheet's export, with the pieces of each reading and, if it is long, the HTML of its rows.
class Contained {
  constructor(all) {
    this.header = this.all = all;
    this.tokens = all.tokens.map(columns => new Tokens(columns));
  }

  section(number) {
    return Promise.resolve({ html: this.all.html ? this.all.html[number] : null, tokens: this.tokens });
  }

  // The tokens of a piece stand next to each other; its place is that of the first and last of them, if none is given.
  piece(side, number) {
    const { reasons, tags, places, merges } = this.all.pieces[side], tokens = this.tokens[side];
    const first = firstAtLeast(tokens.numbers, number), last = firstAtLeast(tokens.numbers, number + 1);
    const one = tokens.token(first), other = tokens.token(last - 1);
    let hex = "";
    for (let i = first; i < last; i++) hex += tokens.hex[tokens.ids[i]];
    const [step, alternative] = reasons[tags[number]];
    const [start, end, from, to] = places ? places[number] : [one.bytes[0], other.bytes[1], one.chars[0], other.chars[1]];
    return Promise.resolve({
      number, bytes: [start, end], chars: [from, to], step, alternative, hex,
      tokens: [first, last], merges: one.added ? null : merges && merges[hex] !== undefined ? merges[hex] : null,
    });
  }
}

// The first place in rising numbers at which one is at least `least`; a number -1, of no piece, may stand at the ends.
function firstAtLeast(numbers, least) {
  let low = 0, high = numbers.length;
  while (high > low && numbers[high - 1] < 0) high--;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < least) low = middle + 1; else high = middle;
  }
  return low;
}

const SIGNS = JSON.parse(document.querySelector("main").dataset.signs); // character to sign: those of html.py

// Text that shows blanks and what cannot be seen; bytes that are no text in hexadecimal.
function visible(hex) {
  const bytes = Uint8Array.from(hex.match(/../g) || [], pair => parseInt(pair, 16));
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return spaced(hex);
  }
  const marked = text.replace(/[\p{C}\p{Z}\p{DI}\u2800]/gu, char => SIGNS[char] || `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
  return /^\p{M}/u.test(marked) ? `◌${marked}` : marked;
}

function spaced(hex) {
  return (hex.match(/../g) || []).join(" ");
}

// An element with text, or with other elements, in it.
function make(name, content = "", attributes = {}) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (Array.isArray(content)) element.append(...content); else element.textContent = content;
  return element;
}

const grouped = number => Number(number).toLocaleString("en-US");
