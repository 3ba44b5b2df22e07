/** Seconds that run down, told every second to whoever shows them. */

/**
 * Call `show("4:59", 299)` now and each second until `endMs` (Date.now() time), then `done()`. Returns a function that stops it.
 */
export function countDown(endMs, { show, done = () => {} }) {
  let timer;
  const tick = () => {
    const leftMs = endMs - Date.now();
    const seconds = Math.max(0, Math.ceil(leftMs / 1000));
    show(clock(seconds), seconds);
    if (seconds === 0) return done();
    // Aim at the next whole second: an interval would drift, and skip one now and then.
    timer = setTimeout(tick, leftMs - (seconds - 1) * 1000 + 5);
  };
  tick();
  return () => clearTimeout(timer);
}

/** 75 → "1:15". */
function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
