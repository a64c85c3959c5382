"use strict";
/* Columns sort on a click or Enter. Numbers go by the exact value behind what is shown, missing ones last. */
const valueOf = (row, column) => {
  const cell = row.cells[column], data = cell.querySelector("data");
  if (data) return Number(data.value);
  return cell.classList.contains("n") ? Infinity : cell.textContent.trim().toLowerCase();
};
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells], rows = table.tBodies[0].rows;
  if (rows.length < 3) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = [...rows].map((row) => ({ row, value: valueOf(row, column) }));
      order.sort((a, b) => {
        if (a.value === b.value) return 0;
        if (a.value === Infinity || b.value === Infinity) return a.value === Infinity ? 1 : -1;
        return (a.value < b.value) === down ? 1 : -1;
      });
      for (const { row } of order) table.tBodies[0].append(row);
    });
  });
}
