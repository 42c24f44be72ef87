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
form.hidden = false;
form.addEventListener("change", () => table.draw());
form.addEventListener("reset", () => setTimeout(() => table.search("").draw()));
form.addEventListener("submit", (event) => event.preventDefault());

// A link such as "who?" filters the table and goes there.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-filter]");
  if (!link) return;
  form.reset();
  form.elements[link.dataset.filter].value = link.dataset.value;
  table.search("").draw();
});

// On paper, everybody.
let length = 25;
addEventListener("beforeprint", () => {
  length = table.page.len();
  table.page.len(-1).draw();
});
addEventListener("afterprint", () => table.page.len(length).draw());
