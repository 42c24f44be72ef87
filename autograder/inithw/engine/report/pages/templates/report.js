// The table of students: sorted and searched by DataTables, filtered by what the rows carry.
const form = document.getElementById("filters");
const table = new DataTable("#table", {
  pageLength: 25,
  lengthMenu: [25, 100, { label: "all", value: -1 }],
  order: [],
  autoWidth: false,
  layout: { topStart: "search", topEnd: "pageLength", bottomStart: "info", bottomEnd: "paging" },
  language: {
    search: "Search names, mistakes, reasons:",
    lengthMenu: "Show _MENU_ students",
    info: "_START_ to _END_ of _TOTAL_ students",
    infoFiltered: "(_MAX_ in all)",
    infoEmpty: "No student",
    zeroRecords: "No student fits",
    emptyTable: "Nobody has handed in anything",
  },
});
const kept = (wanted, row) =>
  Object.entries(wanted).every(([name, value]) => !value || row.dataset[name].split(" ").includes(value));

table.search.fixed("filters", (_text, _data, index) => {
  const wanted = Object.fromEntries(new FormData(form));
  return kept(wanted, table.row(index).node());
});
const unfilter = () => {
  for (const select of form.querySelectorAll("select")) select.value = "";
};
form.hidden = false;
form.addEventListener("change", () => table.draw());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  unfilter();
  table.search("").draw();
});
form.addEventListener("submit", (event) => event.preventDefault());

// A link such as "who?" filters the table and goes there.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-filter]");
  if (!link) return;
  unfilter();
  form.elements[link.dataset.filter].value = link.dataset.value;
  table.search("").draw();
});

// A link to a student turns to the page of the table on which they are, and opens their reasons.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#student-"]');
  if (!link) return;
  unfilter();
  table.search("").draw();
  const rows = table.rows({ order: "applied", search: "applied" }).nodes().toArray();
  const place = rows.findIndex((row) => row.id === link.hash.slice(1));
  if (place < 0) return;
  if (table.page.len() > 0) table.page(Math.floor(place / table.page.len())).draw("page");
  rows[place].querySelector("details").open = true;
});

// On paper, everybody.
let length = 25;
addEventListener("beforeprint", () => {
  length = table.page.len();
  table.page.len(-1).draw();
});
addEventListener("afterprint", () => table.page.len(length).draw());
