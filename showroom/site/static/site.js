"use strict";
// Consent first, then what waits for it; pictures are fetched when they come into view.
(() => {
  const banner = document.getElementById("consent");
  const lazy = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      lazy.unobserve(target);
      target.addEventListener("load", () => target.classList.add("there"), { once: true });
      target.src = target.dataset.src;
    }
  }, { rootMargin: "80px" });

  function begin() {
    for (const picture of document.querySelectorAll("img.lazy[data-src]")) lazy.observe(picture);
  }

  if (banner) {
    document.documentElement.classList.add("locked");
    banner.addEventListener("click", (event) => {
      const answer = event.target.dataset.consent;
      if (!answer) return;
      document.cookie = `consent=${answer}; path=/; max-age=86400; samesite=lax`;
      banner.remove();
      document.documentElement.classList.remove("locked");
      begin();
    });
  } else {
    begin();
  }

  customElements.define("press-photo", class extends HTMLElement {
    connectedCallback() {
      const root = this.attachShadow({ mode: "open" });
      const picture = document.createElement("img");
      picture.alt = this.dataset.alt;
      picture.src = this.dataset.photo;
      picture.style.cssText = "display:block;width:100%;border-radius:12px";
      root.append(picture);
    }
  });
})();
