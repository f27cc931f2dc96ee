// A box above each long table that hides the rows without the typed words. A table that is wider than a phone has a
// block for each row there, with the head's word before each cell (dstok.css).
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table")) {
    const rows = [...table.querySelectorAll("tbody tr")], wrapper = table.closest(".table-wrapper") ?? table;
    if (wrapper.scrollWidth > wrapper.clientWidth) {
      const heads = [...table.querySelectorAll("thead th")].map(head => head.textContent);
      for (const row of rows) [...row.cells].forEach((cell, column) => { cell.dataset.head = heads[column] ?? ""; });
      table.classList.add("stacked");
    }
    if (rows.length < 12) continue;
    const box = document.createElement("input");
    box.type = "search";
    box.className = "filter";
    box.placeholder = `Search ${rows.length} rows`;
    box.setAttribute("aria-label", "Search the table");
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/);
      for (const row of rows) row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    });
    wrapper.before(box);
  }
});
