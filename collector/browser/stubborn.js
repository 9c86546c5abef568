// Controls that ignore the clicks of scripts: where to put the pointer, and whether that brought something. Needs behaviours.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.nextStubborn) return;
  const { visible, disabled, leaves, known, grown, worn, unopened } = T.ofBehaviours;
  const MOST_IDLE = 3;
  const idleClicks = new WeakMap(); // of a control that brought something before: a busy page may answer late

  T.nextStubborn = () => {
    for (;;) {
      const element = T.stubborn.shift();
      if (!element) return null;
      if (!element.isConnected || !visible(element) || disabled(element) || leaves(element) || T.apart(element)) continue;
      element.scrollIntoView({ block: "center", inline: "nearest" });
      const box = element.getBoundingClientRect();
      T.pressed = element;
      if (T.unsure.has(element)) T.holding(true);
      return { x: box.left + box.width / 2, y: box.top + box.height / 2, known: known() };
    }
  };
  T.afterPointer = async (before, seconds) => {
    T.until = performance.now() + seconds * 1000;
    const more = await grown(before, 600);
    await T.quiet(1000);
    await T.arrive();
    T.holding(false);
    const idle = more ? 0 : (idleClicks.get(T.pressed) ?? MOST_IDLE - 1) + 1;
    if (idle < MOST_IDLE) { idleClicks.set(T.pressed, idle); T.stubborn.unshift(T.pressed); worn.delete(T.pressed); unopened.delete(T.pressed); }
    return more;
  };
})();
