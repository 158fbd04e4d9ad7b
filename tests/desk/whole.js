// What is cut on a page, or says nothing: words wider than their place, controls that reach out of what holds them,
// choices without a name.
() => {
  const found = new Set();
  const named = (each) => (each.innerText || each.getAttribute("aria-label") || each.name || each.className).trim().slice(0, 40);
  for (const each of document.querySelectorAll("main .btn, .nav-line span, .switch label span, .figure-head span, .segments a")) {
    if (each.checkVisibility({ visibilityProperty: true }) && each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline") {
      found.add(`“${named(each)}” is wider than its place`);
    }
  }
  for (const each of document.querySelectorAll("main :is(.btn, .form-control, .form-select, .chip, .segments)")) {
    const box = each.getBoundingClientRect();
    if (!box.width || !each.checkVisibility({ visibilityProperty: true })) continue;
    for (let at = each.parentElement; at && at.tagName !== "MAIN"; at = at.parentElement) {
      const flow = getComputedStyle(at).overflowX;
      if (flow === "auto" || flow === "scroll" || at.matches(".menu-body, .found")) break;
      if ((flow === "hidden" || at.matches(".card")) && box.right > at.getBoundingClientRect().right + 1) {
        found.add(`“${named(each)}” reaches out of .${at.className}`);
        break;
      }
    }
  }
  for (const each of document.querySelectorAll("option")) {
    if (/^[\s\-—–]*$/.test(each.textContent)) found.add(`a choice of ${each.parentElement.name} says nothing`);
  }
  return [...found];
}
