"use strict";
(() => {
  const PAGE = 25;
  const data = JSON.parse(document.getElementById("gene-data").textContent);
  const element = (id) => document.getElementById(id);
  const body = element("gene-table").tBodies[0];
  const search = element("gene-search");
  const status = element("gene-status");
  const statusColumn = data.columns.findIndex(([name]) => name === "status");
  let sorted = { column: -1, ascending: true };
  let rows = data.rows;
  let page = 0;

  const asNumber = (value) => {
    if (value === "∞") return Infinity;
    return value === "-∞" ? -Infinity : value;
  };

  // missing values come last in both sort orders
  const compare = (a, b, column, numeric, ascending) => {
    const x = numeric ? asNumber(a[column]) : a[column];
    const y = numeric ? asNumber(b[column]) : b[column];
    const missing = (v) => v === null || v === "";
    if (missing(x) || missing(y)) return missing(x) - missing(y);
    if (x === y) return 0;
    const order = numeric ? x - y : x.localeCompare(y, "en", { numeric: true });
    return ascending ? order : -order;
  };

  const text = (value) => {
    if (value === null) return "–";
    if (typeof value !== "number") return value;
    return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(3)));
  };

  const draw = () => {
    const last = Math.max(0, Math.ceil(rows.length / PAGE) - 1);
    page = Math.min(Math.max(page, 0), last);
    body.replaceChildren(
      ...rows.slice(page * PAGE, (page + 1) * PAGE).map((row) => {
        const line = document.createElement("tr");
        row.forEach((value, column) => {
          const cell = document.createElement(column === 0 ? "th" : "td");
          if (column === 0) cell.scope = "row";
          if (column > 0 && !data.columns[column][1]) cell.className = "text";
          cell.textContent = text(value);
          line.append(cell);
        });
        return line;
      }),
    );
    element("gene-count").textContent =
      `${rows.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} genes`;
    element("gene-page").textContent = `page ${page + 1} of ${last + 1}`;
    element("gene-back").disabled = page === 0;
    element("gene-next").disabled = page === last;
  };

  const choose = () => {
    const wanted = search.value.trim().toLowerCase();
    rows = data.rows.filter(
      (row) =>
        (status.value === "" || row[statusColumn] === status.value) &&
        (wanted === "" ||
          row.some((value) => typeof value === "string" && value.toLowerCase().includes(wanted))),
    );
    if (sorted.column >= 0) {
      const numeric = data.columns[sorted.column][1];
      rows.sort((a, b) => compare(a, b, sorted.column, numeric, sorted.ascending));
    }
    page = 0;
    draw();
  };

  const head = element("gene-table").tHead.rows[0];
  data.columns.forEach(([name, numeric], column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      const again = sorted.column === column;
      sorted = { column, ascending: again ? !sorted.ascending : !numeric };
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", sorted.ascending ? "ascending" : "descending");
      choose();
    });
    cell.append(button);
    head.append(cell);
  });
  for (const name of new Set(data.rows.map((row) => row[statusColumn]))) {
    const option = document.createElement("option");
    option.value = name;
    option.textContent = name;
    status.append(option);
  }
  search.addEventListener("input", choose);
  status.addEventListener("change", choose);
  element("gene-back").addEventListener("click", () => { page -= 1; draw(); });
  element("gene-next").addEventListener("click", () => { page += 1; draw(); });
  element("gene-tools").hidden = false;
  element("gene-pages").hidden = data.rows.length <= PAGE;
  draw();

  // folded parts are opened for printing
  const folded = document.querySelectorAll("details");
  window.addEventListener("beforeprint", () => { for (const part of folded) part.open = true; });

  const copy = element("copy-methods");
  copy.hidden = false;
  copy.addEventListener("click", () => {
    const range = document.createRange();
    range.selectNodeContents(element("methods-text"));
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    // navigator.clipboard does not exist in pages opened from a disk
    const done = document.execCommand("copy");
    element("copied").textContent = done ? "copied" : "selected: press Ctrl-C";
  });
})();
