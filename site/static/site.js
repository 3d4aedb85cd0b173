// the theme names these by a label that differs from the words on them: their own words name them better
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".search-button-field, details > summary")) {
    element.removeAttribute("aria-label");
  }
});
