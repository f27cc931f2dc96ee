"use strict";
// The panel of one token, and the counts. Everything of a text goes into a page as text, never as markup.

const FLAGS = { special: "special", normalized: "normalized", single_word: "single word", lstrip: "takes blanks before it", rstrip: "takes blanks after it" };

// The panel's content: what is known at once.
function tokenDetails(model, token, total) {
  const rows = [
    ["token", `${grouped(token.number + 1)} of ${grouped(total)}`],
    ["id", String(token.id)],
    ["bytes", token.hex ? spaced(token.hex) : "none"],
    ["UTF-8", token.state || (token.bytes[0] === token.bytes[1] ? "of no text" : "whole characters")],
    ["byte span", `${grouped(token.bytes[0])} to ${grouped(token.bytes[1])}`],
    ["character span", `${grouped(token.chars[0])} to ${grouped(token.chars[1])}`],
  ];
  const added = token.added && model.added[token.id];
  if (added) {
    const flags = Object.keys(FLAGS).filter(name => added[name]).map(name => FLAGS[name]);
    rows.push(["added token", `${added.content} (${flags.join(", ") || "no flags"})`]);
  } else {
    rows.push(["added token", token.added ? "yes" : "no"]);
  }
  if (token.message !== null) rows.push(["message", token.message < 0 ? "none: the format's own" : `${token.message}, ${model.messages[token.message].role}`]);
  if (token.piece < 0) rows.push(["piece", model.steps ? "none" : "not known of another library's tokenizer"]);
  const list = make("dl", rows.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
  return [make("h2", "Token"), make("p", visible(token.hex), { class: "big", dir: "auto" }), list];
}

// What the panel says of the token's piece.
function pieceDetails(model, piece, token) {
  const rows = [["piece", `${grouped(piece.number)}: ${shortened(visible(piece.hex))}`]];
  if (!token.added) rows.push(["matched by", reason(model, piece)]);
  const step = piece.step === null ? null : model.steps[piece.step];
  const text = step && step.alternatives[piece.alternative];
  if (step) rows.push([text ? "alternative" : "pattern", text || step.pattern]);
  const parts = [make("dl", rows.flatMap(([name, value]) => [make("dt", name), make("dd", value, name === "piece" ? { dir: "auto" } : { class: "mono" })]))];
  if (token.added) return parts;
  parts.push(make("h2", "Merges"));
  if (piece.merges === null) parts.push(make("p", "The merges of so long a piece, or page, are not shown.", { class: "soft" }));
  else if (piece.merges.length === 0) parts.push(make("p", model.whole && piece.tokens[1] - piece.tokens[0] === 1 && piece.hex.length > 2
    ? "None: this model takes a piece that is a token as a whole." : "None: no two neighbours have a rank."));
  else parts.push(mergeTree(piece, token));
  return parts;
}

function reason(model, piece) {
  if (piece.step === null) return "no step: a gap between matches";
  const step = model.steps[piece.step];
  const of = step.alternatives.length > 1 ? ` (of 0 to ${step.alternatives.length - 1})` : "";
  return `step ${piece.step} (${step.behavior}${step.invert ? ", inverted" : ""}), alternative ${piece.alternative}${of}`;
}

const shortened = text => (text.length > 200 ? `${text.slice(0, 200)} …` : text);

// The merges as a tree for each token of the piece: [start, middle, end, id, rank] of each, the last ones on top.
function mergeTree(piece, token) {
  const made = new Map(piece.merges.map(step => [`${step[0]},${step[2]}`, step]));
  const hex = (start, end) => piece.hex.slice(2 * start, 2 * end);
  const node = (start, end) => {
    const step = made.get(`${start},${end}`);
    const label = [make("b", visible(hex(start, end)))];
    label.push(make("span", step ? ` id ${step[3]}, rank ${grouped(step[4])}` : ` ${spaced(hex(start, end))}`, { class: "soft" }));
    if (!step) return make("li", label);
    return make("li", [...label, make("ul", [node(start, step[1]), node(step[1], end)])]);
  };
  const tops = [];
  for (let at = 0, size = piece.hex.length / 2; at < size;) {
    const ends = piece.merges.filter(step => step[0] === at).map(step => step[2]);
    const end = Math.max(at + 1, ...ends);
    tops.push([at, end]);
    at = end;
  }
  const own = tops.length > 40 ? tops.slice(Math.max(0, token.number - piece.tokens[0] - 5), token.number - piece.tokens[0] + 6) : tops;
  const tree = make("ul", own.map(([start, end]) => node(start, end)), { class: "tree" });
  return own.length === tops.length ? tree : make("div", [make("p", `${own.length} of the ${tops.length} tokens of the piece:`, { class: "soft" }), tree]);
}

// The counts: a list a model; and where two of them differ.
function countLists(models, differences) {
  const ratio = (one, other) => (other ? (one / other).toFixed(2) : "–");
  const counts = c => [
    ["tokens", grouped(c.tokens)], ["characters", grouped(c.characters)], ["bytes", grouped(c.bytes)],
    ["words", grouped(c.words)], ["tokens a word", ratio(c.tokens, c.words)], ["characters a token", ratio(c.characters, c.tokens)],
    ["bytes a token", ratio(c.bytes, c.tokens)], ["different ids", grouped(c.ids)], ["added tokens", grouped(c.added)],
    ["characters of several tokens", grouped(c.split)],
  ];
  const found = models.map(model => make("div", [
    make("h2", model.name), make("dl", counts(model.counts).map(([name, value]) => make("div", [make("dt", name), make("dd", value)]))),
  ], { class: "counts" }));
  if (!differences) return found;
  const words = differences.places === 0 ? `Both cut the text alike${differences.ids ? ", with the same ids" : ""}.`
    : `They differ at ${grouped(differences.places)} place${differences.places > 1 ? "s" : ""}: ${differences.tokens.map(grouped).join(" and ")} tokens, underlined by a wave.`
      + (differences.ids ? " Ids are compared, too." : " Only where tokens begin and end is compared: the vocabularies are not the same.");
  return [...found, make("p", words, { id: "differences" })];
}

// The messages of a conversation, each with a link to its tokens.
function messageTable(models) {
  const rows = models[0].messages.map((message, number) => [
    message.role ? String(number) : "", message.role ? make("a", message.role, { href: `#message-${number}` }) : "the format's own",
    ...models.map(model => (model.messages[number] ? grouped(model.messages[number].tokens) : "–"))]);
  return counted(["", "role", ...models.map(model => model.name)], rows);
}

function counted(heads, rows) {
  const cell = (value, i) => make("td", value instanceof Node ? [value] : value, i < 2 ? {} : { class: "n" });
  const head = make("tr", heads.map((name, i) => (name ? make("th", name, { scope: "col", ...(i < 2 ? {} : { class: "n" }) }) : make("td"))));
  return make("table", [make("thead", [head]), make("tbody", rows.map(row => make("tr", row.map(cell))))]);
}

// What the pointer at a token shows.
function tip(token) {
  const bytes = token.hex ? `bytes ${shortened(spaced(token.hex))}` : "no bytes";
  return `id ${token.id}, ${bytes}, offset ${grouped(token.bytes[0])} to ${grouped(token.bytes[1])}`;
}
