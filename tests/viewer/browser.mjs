// The view in a real browser. In: JSON on standard input: addresses, and what they show. Out: JSON: of each scenario its
// error or null, and what it returned, for Python to compare with the library.
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const given = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(given.axe, "utf8");
const browser = await chromium.launch({
  executablePath: given.chromium,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// A page at an address. Scenarios that want no options have one after the other the same page: a new one costs half a second.
let plain = null;
async function open(url, options = null) {
  const page = options ? await fresh(options) : plain ??= await fresh({});
  page.faults = [];
  if (!options) await page.goto("about:blank"); // the same address would not be loaded anew
  await page.goto(url);
  if (options?.javaScriptEnabled !== false) await page.waitForFunction(() => state.rows);
  await page.waitForSelector("#tokens[aria-busy=false]");
  return page;
}

async function fresh(options) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", error => page.faults.push(`${error.message} ${error.stack}`));
  page.on("console", message => { if (message.type() === "error") page.faults.push(message.text()); });
  page.on("request", request => {
    const at = request.url();
    if (!/^(http:\/\/127\.0\.0\.1:|file:|data:|blob:|about:blank$)/.test(at)) page.faults.push(`asks for ${at}`);
  });
  return page;
}

// Puts a text into the box and waits until its tokens are there.
async function paste(page, text) {
  await page.fill("#text", text);
  await settled(page);
}

async function settled(page) {
  await page.waitForSelector("#tokens[aria-busy=false]", { timeout: 60000 });
}

// The tokens that stand in the page, as a reader finds them: id and text.
async function tokens(page, side = 0) {
  await page.check("#ids");
  await page.evaluate(() => Promise.all(state.rows.sections.map((_, number) => state.rows.loaded(number)))); // the far ones, too
  await page.waitForFunction(() => [...document.querySelectorAll("#rows li:not(.m, .g)")].every(item => item.dataset.id));
  const found = await page.$$eval("#rows .row", (rows, side) => rows.flatMap(row => {
    const list = row.querySelectorAll(":scope > ol")[side];
    return list ? [...list.querySelectorAll("li:not(.m, .g)")].map(item => [Number(item.dataset.id), item.textContent]) : [];
  }), side);
  await page.uncheck("#ids");
  return found;
}

const details = page => page.innerText("#details");

// The details of the token that was just chosen, merges and all.
async function chosen(page) {
  await page.waitForFunction(() => /piece/.test(document.getElementById("details").innerText));
  return details(page);
}

async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map(each => `${each.id}: ${each.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(" | ")}`);
}

const sideways = page => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const scenarios = {
  async typing() {
    const page = await open(given.empty);
    await page.focus("#text");
    await page.keyboard.type("Hello wörld 🦙!", { delay: 2 });
    await page.waitForFunction(() => document.querySelectorAll("#rows li.m").length === 1);
    await settled(page);
    return { tokens: await tokens(page), faults: page.faults };
  },

  // The text box is there before the server has said what to begin with.
  async typingEarly() {
    const page = await open(given.empty);
    let release;
    const released = new Promise(resolve => { release = resolve; });
    await page.route("**/start", async route => { await released; await route.continue(); });
    await page.reload();
    await page.fill("#text", "Hello");
    await page.waitForTimeout(500); // what is typed is sent after 120 ms
    release();
    await page.waitForFunction(() => state.rows && state.source.header.ends[0] > 0);
    return { text: await page.inputValue("#text"), tokens: await tokens(page), faults: page.faults };
  },

  async pasting() {
    const page = await open(given.empty, { permissions: ["clipboard-read", "clipboard-write"] });
    await page.evaluate(text => navigator.clipboard.writeText(text), given.large);
    await page.focus("#text");
    const start = Date.now();
    await page.keyboard.press("Control+V");
    await page.waitForFunction(() => document.getElementById("tokens").ariaBusy === "true");
    await settled(page);
    const ready = Date.now() - start, again = Date.now();
    await page.keyboard.type("x");
    await page.waitForFunction(size => document.getElementById("text").value.length === size, given.large.length + 1);
    await settled(page);
    return { ms: [ready, Date.now() - again], says: await page.innerText("#status"), faults: page.faults };
  },

  async hostile() {
    const page = await open(given.empty), found = [];
    for (const text of given.hostile) {
      await paste(page, text);
      found.push(await page.innerText("#status"));
      assert.equal(await sideways(page), 0, `sideways: ${text.slice(0, 20)}`);
      assert.equal(await page.evaluate(() => window.hacked), undefined);
    }
    await page.evaluate(() => {
      document.getElementById("text").value = `a${String.fromCharCode(0xd800)}b`;
      document.getElementById("text").dispatchEvent(new Event("input"));
    });
    await settled(page);
    assert.match(await page.innerText("#status"), /1 lone surrogate became U\+FFFD/);
    return { says: found, faults: page.faults };
  },

  async refusals() {
    const page = await open(given.empty);
    await page.selectOption("#special", "raise");
    await paste(page, "<｜User｜>");
    const refused = await page.innerText("#status");
    await page.selectOption("#special", "none");
    await settled(page);
    const plain = await tokens(page);
    await page.selectOption("#special", "all");
    await settled(page);
    return { refused, plain, added: await tokens(page) };
  },

  async keyboard() {
    const page = await open(given.file), seen = [];
    await page.waitForSelector("#rows li[tabindex]");
    const step = async key => {
      await page.keyboard.press(key);
      await page.evaluate(() => state.rows.moving);
      await page.waitForFunction(() => state.rows.at && document.activeElement.getAttribute("aria-current"));
      seen.push([key, await page.evaluate(() => document.activeElement.textContent), (await details(page)).match(/token\s+([\d,]+) of/)?.[1]]);
    };
    await page.focus("#link");
    await step("Tab");
    for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "End", "Home", "Control+End", "Control+Home", "PageDown", "PageUp"]) await step(key);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "LI");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    return { seen, outline, live: await page.getAttribute("#details", "aria-live"), faults: page.faults };
  },

  async sideBySide() {
    const page = await open(given.file);
    await page.selectOption("#other", given.other);
    await page.waitForSelector("#differences");
    const says = await page.innerText("#differences"), both = [await tokens(page, 0), await tokens(page, 1)];
    const waves = await page.$$eval("#rows .row", rows => [0, 1].map(side => rows.flatMap(row => [...row.querySelectorAll(":scope > ol")[side]?.querySelectorAll("li:not(.m, .g)") ?? []].map(item => item.classList.contains("d")))));
    await page.click("#after");
    await page.waitForSelector("#rows li[aria-current]");
    const first = (await chosen(page)).match(/token\s+([\d,]+) of/)[1];
    await page.keyboard.press("d");
    await page.evaluate(() => state.rows.moving);
    return { says, both, waves, places: [first, (await details(page)).match(/token\s+([\d,]+) of/)[1]], axe: await violations(page), faults: page.faults };
  },

  async details() {
    const page = await open(given.file), found = [];
    for (const number of given.chosen) {
      await page.evaluate(number => state.rows.choose(0, number), number);
      await page.waitForFunction(number => document.getElementById("details").innerText.includes(`${number + 1} of`), number);
      found.push(await chosen(page));
    }
    return found;
  },

  async pageFromAFile() {
    const page = await open(given.page), found = [];
    for (const number of given.chosen) {
      await page.evaluate(number => state.rows.choose(0, number), number);
      found.push(await chosen(page));
    }
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-json")]);
    const saved = JSON.parse(readFileSync(await download.path(), "utf8"));
    return { details: found, tokens: await tokens(page), saved: saved.tokens[0].ids, text: saved.text, axe: await violations(page), faults: page.faults };
  },

  // A token stays chosen while the text changes elsewhere, and is forgotten with its own characters.
  async typingElsewhere() {
    const page = await open(given.empty), seen = [];
    await paste(page, "Hello wörld and more");
    await page.evaluate(() => state.rows.choose(0, 2));
    await chosen(page);
    for (const text of ["12345 🦙 Hello wörld and more", "12345 🦙 Hello wörld and", "12345 🦙 Hello then"]) {
      await paste(page, text);
      await page.waitForTimeout(150);
      seen.push([await page.$$eval("#rows li[aria-current]", items => items.map(item => item.textContent)), /token=/.test(page.url())]);
    }
    return { seen, faults: page.faults };
  },

  // The page saves itself as a file that needs no server, and as a picture.
  async saving() {
    const page = await open(given.file);
    const saved = async button => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
      return [download.suggestedFilename(), await download.path()];
    };
    const [name, path] = await saved("#save-page"), picture = await saved("#save-picture");
    const size = await page.evaluate(() => [document.getElementById("tokens").offsetWidth, document.getElementById("tokens").offsetHeight]);
    const colours = await page.evaluate(async data => {
      const image = new Image(), canvas = document.createElement("canvas");
      image.src = data;
      await image.decode();
      [canvas.width, canvas.height] = [image.width, image.height];
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
      return new Set(pixels).size;
    }, `data:image/png;base64,${readFileSync(picture[1]).toString("base64")}`);
    return { names: [name, picture[0]], html: readFileSync(path, "utf8"), png: readFileSync(picture[1]).toString("base64"), size, colours, faults: page.faults };
  },

  async pageWithoutScript() {
    const page = await open(given.page, { javaScriptEnabled: false });
    return { text: await page.innerText("#rows"), count: await page.innerText("#status") };
  },

  async goneAndEnded() {
    const page = await open(given.empty);
    await paste(page, given.large.slice(0, 20000));
    const before = await page.innerText("#status");
    await page.evaluate(async () => {
      const settings = { model: "deepseek-v3", other: "", special: "all", kind: "", bos: false, eos: false };
      for (let i = 0; i < 8; i++) await ask("encode", { text: String(i), ...settings }); // the page's result goes
      const box = document.getElementById("text");
      box.value = box.value.slice(0, 15000); // unheard: it is sent only if the page asks again by itself
      window.scrollTo(0, document.body.scrollHeight);
    });
    await page.waitForFunction(old => !["Tokenizing …", old].includes(document.getElementById("status").innerText), before);
    await settled(page);
    await page.waitForFunction(() => document.elementFromPoint(400, 400)?.closest(".row")?.querySelector("li"));
    const again = await page.innerText("#status");
    await page.route("**/encode", route => route.abort());
    await page.evaluate(() => document.getElementById("text").dispatchEvent(new Event("input")));
    await page.waitForFunction(() => document.getElementById("status").classList.contains("bad"));
    return { again, ended: await page.innerText("#status") };
  },

  // A row leaves the window while its section is on the way, and comes back before it has come.
  async rowsThatLeaveAndReturn() {
    const page = await open(given.empty);
    let release;
    const released = new Promise(resolve => { release = resolve; });
    await page.route("**/section?*", async route => { await released; await route.continue(); });
    await page.evaluate(text => {
      document.getElementById("text").value = text; // as a whole: typed by the browser it would take long
      document.getElementById("text").dispatchEvent(new Event("input"));
    }, given.large.slice(0, 200000));
    await settled(page);
    const last = await page.evaluate(() => state.rows.sections.length - 1);
    const move = async (down, there) => {
      await page.evaluate(down => window.scrollTo(0, down ? document.body.scrollHeight : 0), down);
      await page.waitForFunction(([last, there]) => state.rows.filled.has(last) === there, [last, there]);
    };
    await move(true, true);
    await move(false, false);
    await move(true, true);
    release();
    await page.waitForFunction(last => document.getElementById("rows").children[last].querySelector("ol"), last);
    await page.evaluate(async () => { await Promise.all(state.rows.filled.values()); });
    return { lists: await page.$$eval("#rows .row", rows => rows.map(row => row.querySelectorAll(":scope > ol").length)), faults: page.faults };
  },

  // The chosen token lies far below; the one who types sees the text box.
  async typingWithATokenChosen() {
    const page = await open(given.empty);
    await paste(page, given.large.slice(0, 20000));
    await page.evaluate(() => state.rows.choose(0, state.source.header.ends[0] - 9));
    const chosen = await page.evaluate(() => window.scrollY);
    await page.evaluate(() => { window.scrollTo(0, 0); document.getElementById("text").focus(); });
    await page.keyboard.press("Control+End");
    await page.keyboard.type(" x");
    await page.waitForFunction(() => state.timer !== 0 || document.getElementById("tokens").ariaBusy === "true");
    await settled(page);
    await page.waitForSelector("#rows li[aria-current]", { state: "attached" });
    return { chosen, typed: await page.evaluate(() => window.scrollY), focus: await page.evaluate(() => document.activeElement.id), faults: page.faults };
  },

  async budgets() {
    const page = await open(given.empty), says = [];
    await paste(page, given.split);
    for (const limit of given.limits) {
      const old = await page.innerText("#limit-says");
      await page.fill("#limit", limit);
      await page.waitForFunction(old => document.getElementById("limit-says").innerText !== old, old);
      says.push([await page.innerText("#limit-says"), await page.$$eval("#rows li.limit", items => items.length)]);
    }
    for (const place of [[0, 1], [0, 99], [0, 0.5], [0, NaN], [7, 0]]) { // a link may name what is not there
      await page.evaluate(place => state.rows.choose(...place), place);
    }
    assert.deepEqual(await page.evaluate(() => state.rows.at), [0, 1]);
    await page.evaluate(() => { Promise.reject(new Error("said to the reader")); });
    await page.waitForFunction(() => document.getElementById("status").innerText === "said to the reader");
    return says;
  },

  async notebook() {
    const context = await browser.newContext({ viewport: { width: 1100, height: 800 } }), page = await context.newPage(), faults = [];
    page.on("pageerror", error => faults.push(error.message));
    await page.goto(given.notebook);
    const frame = page.frames()[1];
    await frame.waitForSelector("#rows li[tabindex]");
    await frame.focus(".skip");
    await page.keyboard.press("Enter"); // to the tokens
    await page.keyboard.press("ArrowRight");
    await frame.evaluate(() => state.rows.moving);
    return {
      details: await frame.innerText("#details"), address: await frame.evaluate(() => location.href), faults,
      count: await frame.evaluate(() => document.querySelectorAll("#rows li:not(.m, .g)").length),
      outside: await frame.evaluate(() => { try { return parent.document.title; } catch (error) { return error.name; } }),
    };
  },

  async link() {
    const page = await open(given.file);
    await page.fill("#limit", "3");
    await page.evaluate(() => state.rows.choose(0, 2));
    await page.click("#link");
    const address = page.url();
    await page.evaluate(() => history.replaceState(null, "", "#")); // the same address, loaded anew
    await page.goto(address);
    await page.reload();
    await page.waitForSelector("#rows li[aria-current]");
    return { address, limit: await page.innerText("#limit-says"), line: await page.$$eval("#rows li.limit", items => items.map(item => item.dataset.limit)), details: await details(page) };
  },

  async conversation() {
    const page = await open(given.empty);
    await paste(page, given.talk);
    await page.selectOption("#kind", "v3.2");
    await settled(page);
    assert.match(await page.innerText("#status"), /^deepseek-v3\.2: \d+ tokens$/);
    assert.equal(await page.inputValue("#special"), "none");
    return { messages: await page.$$eval("#messages tbody tr", rows => rows.map(row => row.lastChild.textContent)), tokens: await tokens(page), axe: await violations(page) };
  },

  async looks() {
    const found = [], wide = { width: 1200, height: 800 }, media = { colorScheme: "light", reducedMotion: "no-preference", forcedColors: "none" };
    for (const options of [{}, { colorScheme: "dark" }, { viewport: { width: 360, height: 700 } }, { reducedMotion: "reduce", forcedColors: "active" }]) {
      const { viewport, ...asked } = { viewport: wide, ...options };
      const page = await open(given.empty);
      await page.emulateMedia({ ...media, ...asked });
      await page.setViewportSize(viewport);
      await page.reload();
      await page.waitForFunction(() => state.rows);
      await paste(page, given.text);
      await page.waitForSelector("#rows li[tabindex]");
      await page.click("#rows li:not(.m)");
      await chosen(page);
      found.push({ options, axe: await violations(page), sideways: await sideways(page), faults: [...page.faults] });
    }
    const page = await open(given.empty);
    await page.emulateMedia(media);
    await page.setViewportSize(wide);
    return found;
  },

  async manyTokens() {
    const times = {};
    for (const [name, url] of Object.entries(given.many)) {
      const start = Date.now(), page = await open(url, {});
      await page.waitForSelector("#counts dl");
      await page.waitForSelector("#rows li");
      await page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(done))));
      const opened = Date.now() - start, again = Date.now();
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight * 0.7));
      await page.waitForFunction(() => document.elementFromPoint(400, 400)?.closest(".row")?.querySelector("li"));
      const scrolled = Date.now() - again, last = Date.now();
      await page.evaluate(() => state.rows.choose(0, state.source.header.ends[0] - 1));
      await page.waitForFunction(() => document.querySelectorAll("#details dl").length > 1, null, { timeout: 60000 });
      times[name] = { opened, scrolled, chosen: Date.now() - last, items: await page.$$eval("#rows li", items => items.length), details: await details(page), faults: page.faults };
      await page.context().close();
    }
    return times;
  },
};

const results = {};
for (const [name, scenario] of Object.entries(scenarios)) {
  const start = Date.now();
  try {
    results[name] = { value: await scenario(), error: null };
    await plain?.unrouteAll();
  } catch (error) {
    results[name] = { value: null, error: `${error.message}\n${error.stack}` };
    await plain?.context().close();
    plain = null;
  }
  results[name].ms = Date.now() - start;
  for (const context of browser.contexts()) if (context !== plain?.context()) await context.close();
}
await browser.close();
process.stdout.write(JSON.stringify(results));
