for (const section of document.querySelectorAll("section")) {
  const tools = section.querySelector(".tools");
  const list = section.querySelector(".packages");
  if (!tools || !list) continue;
  const [text, level, action, order] = tools.elements;
  const packages = [...list.children].map((box) => ({
    box,
    rank: Number(box.dataset.rank),
    name: box.dataset.name,
    head: box.querySelector("header").textContent.toLowerCase(),
    rows: [...box.querySelectorAll(".findings>li")],
  }));
  const show = () => {
    const word = text.value.trim().toLowerCase();
    let shown = 0;
    for (const one of packages) {
      let any = false;
      for (const row of one.rows) {
        const fits = (!level.value || row.dataset.level === level.value)
          && (!action.value || row.dataset.action === action.value)
          && (!word || one.head.includes(word) || row.textContent.toLowerCase().includes(word));
        row.hidden = !fits;
        any ||= fits;
        shown += fits;
      }
      one.box.hidden = !any;
    }
    const total = packages.reduce((sum, one) => sum + one.rows.length, 0);
    tools.querySelector("output").textContent = `${shown} of ${total} findings`;
  };
  const sort = () => {
    const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
    const most = (a, b) => b.rows.length - a.rows.length;
    const orders = { severity: (a, b) => a.rank - b.rank || byName(a, b), package: byName, findings: (a, b) => most(a, b) || byName(a, b) };
    packages.sort(orders[order.value]);
    for (const one of packages) list.append(one.box);
  };
  tools.addEventListener("input", () => { sort(); show(); });
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.hidden = false;
  show();
}
