/* What a hand-written check can know of a page as it stands. An expression: the list of faults, each a sentence. */
(() => {
  const faults = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const every = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const describe = (element) => `<${element.tagName.toLowerCase()}${element.id ? ` id=${element.id}` : ""}>`;

  const named = (element) => {
    const refs = (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).filter(Boolean);
    const byRef = refs.map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const byLabel = [...(element.labels ?? [])].map((label) => label.textContent).join(" ");
    return (element.getAttribute("aria-label") || byRef || byLabel || element.textContent || "").trim();
  };

  if (!document.documentElement.lang) faults.push("The document has no language.");
  if (!document.title.includes("·")) faults.push("The title does not say which view this is.");
  for (const [selector, name] of [["main", "main"], ["header", "banner"]]) {
    if (every(selector).length !== 1) faults.push(`There is not exactly one ${name} landmark.`);
  }
  if (every("h1").length !== 1) faults.push(`There are ${every("h1").length} first-level headings.`);
  const levels = every("h1, h2, h3").map((heading) => Number(heading.tagName[1]));
  if (levels[0] !== 1) faults.push("The first heading is not of the first level.");
  for (const element of every("a[href], button, input, select, textarea, summary, section[aria-labelledby], table")) {
    const caption = element.querySelector?.("caption")?.textContent ?? "";
    if (!named(element) && !caption) faults.push(`${describe(element)} has no name.`);
  }
  for (const element of every("input, select, textarea")) {
    if (element.labels.length === 0) faults.push(`${describe(element)} has no visible label.`);
  }
  for (const image of document.querySelectorAll("img")) {
    if (!image.hasAttribute("alt")) faults.push(`${describe(image)} has no alt.`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) faults.push(`The id ${id} is used twice.`);
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (!ids.includes(id)) faults.push(`${describe(element)} refers to ${id}, which is not there.`);
      }
    }
  }
  for (const element of document.querySelectorAll("[tabindex]")) {
    if (element.tabIndex > 0) faults.push(`${describe(element)} changes the order of the keyboard.`);
  }
  if (!document.querySelector("[aria-live=polite], [role=status]")) faults.push("Nothing tells a screen reader of changes.");
  for (const element of every("button, input, select")) {
    const { width, height } = element.getBoundingClientRect();
    if (width < 24 || height < 24) faults.push(`${describe(element)} is smaller than a finger: ${width} x ${height}.`);
  }

  // WCAG 2.2, 1.4.3: contrast of text against the nearest painted ground.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !shown(element) || element.closest(".visually-hidden, noscript, option")) continue;
    const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faults.push(`"${texts.currentNode.data.trim().slice(0, 30)}" has a contrast of ${ratio.toFixed(2)}.`);
  }
  return faults;
})()
