// Pages without scripts in a real browser. In: JSON on standard input: addresses by name. Out: JSON: of each, in light and
// dark and on a narrow screen, what bars people from it, whether it is wider than the screen, and what it complains of.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const given = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(given.axe, "utf8");
const browser = await chromium.launch({
  executablePath: given.chromium,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const page = await (await browser.newContext()).newPage(); // one for all: a new one costs half a second
let faults = [];
page.on("console", message => { if (message.type() === "error") faults.push(message.text()); });
page.on("request", request => { if (!/^(file:|data:)/.test(request.url())) faults.push(`asks for ${request.url()}`); });

async function look(url, colorScheme, width) {
  faults = [];
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 800 });
  await page.goto(url);
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  const quiet = [...faults];
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const barred = found.violations.map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html).join(" ")}`);
  return { faults: quiet, sideways, axe: barred };
}

const results = {};
for (const [name, url] of Object.entries(given.pages)) {
  results[name] = { light: await look(url, "light", 1200), dark: await look(url, "dark", 1200), narrow: await look(url, "light", 360) };
}
await browser.close();
process.stdout.write(JSON.stringify(results));
