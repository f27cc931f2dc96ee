// The layout of the view in a real browser. In: JSON on standard input: addresses. Out: JSON: of each scenario its error or
// null, and boxes and words that Python judges.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const given = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(given.axe, "utf8");
const browser = await chromium.launch({
  executablePath: given.chromium,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const WIDE = { width: 1280, height: 900 }, PHONE = { width: 390, height: 844 };

async function open(url, viewport, media = {}) {
  const page = await browser.newPage({ viewport });
  await page.emulateMedia(media);
  await page.goto(url);
  await page.waitForFunction(() => state.rows);
  await page.waitForSelector("#tokens[aria-busy=false]");
  await page.waitForSelector("#rows li");
  return page;
}

async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map(each => `${each.id}: ${each.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(" | ")}`);
}

// Of each token: its text, classes, and the lines that it has boxes in.
const lines = page => page.evaluate(async () => {
  await Promise.all(state.rows.sections.map((_, number) => state.rows.loaded(number)));
  return [...document.querySelectorAll("#rows li:not(.m, .g)")].map(item => [item.textContent, item.className,
    new Set([...item.getClientRects()].filter(box => box.width > 0).map(box => Math.round(box.top))).size, getComputedStyle(item).boxDecorationBreak]);
});

const box = (page, name) => page.$eval(name, item => item.getBoundingClientRect().toJSON());
const sideways = page => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const scenarios = {
  async lines() {
    const found = [];
    for (const [name, url] of Object.entries({ text: given.text, pair: given.pair, chat: given.chat, page: given.page })) for (const viewport of [WIDE, PHONE]) {
      const page = await open(url, viewport);
      for (const ids of [false, true]) {
        await page.setChecked("#ids", ids);
        await page.waitForFunction(ids => document.body.classList.contains("ids") === ids, ids);
        await page.evaluate(() => state.rows.markAll());
        found.push({ name, width: viewport.width, ids, tokens: await lines(page), sideways: await sideways(page) });
      }
      await page.close();
    }
    return found;
  },

  // Of each list: of each of its items the text, the direction and the boxes.
  async directions() {
    const found = [];
    for (const [name, url] of Object.entries({ alone: given.directions, pair: given.twoDirections })) for (const viewport of [WIDE, PHONE]) {
      const page = await open(url, viewport);
      for (const ids of [false, true]) {
        await page.setChecked("#ids", ids);
        await page.waitForFunction(ids => document.body.classList.contains("ids") === ids, ids);
        await page.evaluate(() => state.rows.markAll());
        const lists = await page.$$eval("#rows ol", lists => lists.map(list => [...list.children].map(item => [item.textContent, getComputedStyle(item).direction,
          [...item.getClientRects()].filter(box => box.width > 0).map(box => [box.left, box.right, box.top, box.bottom])])));
        found.push({ name, width: viewport.width, ids, lists, sideways: await sideways(page), axe: ids ? await violations(page) : [] });
        if (given.shots) await page.screenshot({ path: `${given.shots}/${name}-${viewport.width}${ids ? "-ids" : ""}.png`, fullPage: true });
      }
      await page.click("#rows li >> nth=1");
      for (const key of ["ArrowLeft", "ArrowLeft", "ArrowRight"]) {
        await page.keyboard.press(key);
        await page.evaluate(() => state.rows.moving);
        (found.at(-1).keys ??= []).push(await page.evaluate(() => state.rows.at[1]));
      }
      await page.close();
    }
    return found;
  },

  async phone() {
    const found = {};
    for (const [name, url] of Object.entries({ text: given.text, pair: given.pair, chat: given.chat, page: given.page })) {
      const page = await open(url, PHONE);
      const first = await box(page, "#rows li"), hidden = await page.isHidden("#details"), folded = await page.$$eval(".fold", folds => folds.map(fold => fold.open));
      await page.click("#rows li >> nth=2");
      await page.waitForSelector("#details:visible");
      found[name] = { first, hidden, folded, panel: await box(page, "#details"), chosen: await box(page, "#rows li[aria-current]"), axe: await violations(page) };
      await page.keyboard.press("Escape");
      Object.assign(found[name], { closed: await page.isHidden("#details"), focus: await page.evaluate(() => document.activeElement.ariaCurrent) });
      await page.close();
    }
    return found;
  },

  async headings() {
    const page = await open(given.pair, WIDE);
    const boxes = async name => page.$$eval(name, items => items.map(item => [item.innerText, item.getBoundingClientRect().toJSON()]));
    return { heads: await boxes("#heads > *"), number: await boxes(".row > .at"), lists: await boxes(".row:first-child > ol") };
  },

  async hovering() {
    const found = [];
    for (const viewport of [WIDE, { width: 500, height: 400 }]) {
      const page = await open(given.text, viewport);
      for (const number of [0, 4, 9]) {
        const item = page.locator("#rows ol > li:not(.m)").nth(number);
        await item.scrollIntoViewIfNeeded();
        await page.mouse.move(0, 0);
        await page.waitForSelector("#tip", { state: "hidden" });
        await item.hover();
        await page.waitForSelector("#tip:visible");
        found.push({ viewport, id: await item.evaluate(async node => (await state.rows.numberOf(node))[1]), says: await page.innerText("#tip"), tip: await box(page, "#tip"), item: await item.evaluate(node => node.getBoundingClientRect().toJSON()) });
      }
      await page.keyboard.press("Escape");
      found.at(-1).hidden = await page.isHidden("#tip");
      await page.close();
    }
    return found;
  },

  async errors() {
    const page = await open(given.text, WIDE);
    await page.click("#rows li >> nth=2");
    await page.waitForSelector("#close");
    await page.evaluate(() => { document.getElementById("model").value = "deepseek-r1"; document.getElementById("special").value = "raise"; });
    await page.$eval("#model", item => item.dispatchEvent(new Event("change")));
    await page.waitForSelector("#status.bad");
    await page.waitForSelector("#tokens[aria-busy=false]");
    const words = await page.innerText("main"), left = await page.$$eval("#rows *, #heads *, #close", items => items.length);
    const bars = await violations(page);
    await page.fill("#limit", "3"); // nothing that may still be pressed fails
    await page.click("#save-json");
    await page.keyboard.press("d");
    await page.selectOption("#special", "all");
    await page.waitForSelector("#rows li[aria-current]");
    return { words, left, axe: bars, head: await page.innerText("#heads"), again: await page.innerText("#status") };
  },

  async conversation() {
    const found = { roles: [] };
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(given.chat, WIDE, { colorScheme });
      found[colorScheme] = await page.$$eval("#rows .row", rows => rows.map(row => {
        const frame = row.getBoundingClientRect(), style = getComputedStyle(row), inside = box => box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom;
        return { id: row.id, heading: row.querySelector(".role")?.innerText ?? "", colour: style.borderLeftColor, border: style.borderLeftWidth, top: style.borderTopWidth,
          inside: [...row.querySelectorAll("li")].every(item => inside(item.getBoundingClientRect())) };
      }));
      found[`${colorScheme} axe`] = await violations(page);
      if (colorScheme === "dark") { await page.close(); continue; }
      found.messages = await page.evaluate(async () => {
        const all = [];
        for (let number = 0; number < state.rows.sections.length; number++) {
          const { items, tokens } = await state.rows.loaded(number);
          all.push(...items[0].map((_, i) => [state.rows.message(number), tokens[0].token(state.rows.first(0, number) + i).message]));
        }
        return all;
      });
      await page.setViewportSize({ width: 1280, height: 300 });
      found.links = [];
      for (const link of await page.$$("#messages a")) {
        await link.click();
        await page.waitForFunction(hash => document.querySelector("#rows li[aria-current]")?.closest(".row").id === hash.slice(1), await link.evaluate(item => item.hash));
        found.links.push({ row: await page.$eval("#rows .row:has([aria-current])", row => row.getBoundingClientRect().toJSON()), token: await page.evaluate(() => state.rows.at[1]), address: new URL(page.url()).hash });
      }
      await page.close();
    }
    return found;
  },

  async print() {
    const page = await open(given.page, WIDE, { media: "print", colorScheme: "dark" });
    const shown = await page.evaluate(() => ["#tokens", "#counts", ".tools", "#details"].map(name => document.querySelector(name).getClientRects().length > 0));
    const style = await page.$eval("#rows li", item => [getComputedStyle(item).printColorAdjust, getComputedStyle(document.body).backgroundColor]);
    const row = await page.$eval("#rows .row:last-child", item => getComputedStyle(item).contentVisibility);
    return { shown, style, row };
  },
};

const results = {};
for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    results[name] = { value: await scenario(), error: null };
  } catch (error) {
    results[name] = { value: null, error: `${error.message}\n${error.stack}` };
  }
}
await browser.close();
process.stdout.write(JSON.stringify(results));
