"use strict";
// A turn of a car under the visitor's hand: separate frames, a sprite sheet, or a canvas.
(async () => {
  const { group, kind, variant } = document.currentScript.dataset;
  const viewer = document.querySelector(".viewer");

  // Dragging across the whole viewer is one full turn; an arrow key is one frame.
  function turnable(n, show) {
    let frame = 0;
    let held = null;
    const go = (to) => {
      const next = ((to % n) + n) % n;
      if (next !== frame) show(frame = next);
    };
    viewer.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, frame };
      viewer.setPointerCapture(event.pointerId);
      event.preventDefault();
      viewer.focus();
    });
    viewer.addEventListener("pointermove", (event) => {
      if (held) go(held.frame + Math.round((event.clientX - held.x) / (viewer.clientWidth / n)));
    });
    for (const end of ["pointerup", "pointercancel"]) viewer.addEventListener(end, () => { held = null; });
    viewer.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      go(frame + step);
    });
  }

  if (kind === "config") {
    const { folder, filenameX, amountX } = viewer.dataset;
    const picture = viewer.querySelector("img");
    turnable(Number(amountX), (i) => { picture.src = folder + filenameX.replace("{index}", i + 1); });
    return;
  }
  if (kind === "sprite") {
    const { rowCount, colCount, frameCount } = viewer.dataset;
    const at = (i, count) => (count > 1 ? (i * 100) / (count - 1) : 0) + "%";
    turnable(Number(frameCount), (i) => {
      viewer.style.backgroundPosition = at(i % colCount, colCount) + " " + at(Math.floor(i / colCount), rowCount);
    });
    return;
  }

  const turn = await (await fetch("/api/turn/" + group)).json();
  if (kind === "bare") {
    const picture = viewer.querySelector("img");
    turnable(turn.n, (i) => { picture.src = turn.at + String(i).padStart(turn.pad, "0") + ".jpg"; });
    return;
  }

  const canvas = viewer.querySelector("canvas");
  canvas.width = turn.w;
  canvas.height = turn.h;
  const draw = variant === "tainted" ? await scrambled() : variant === "webgl" ? await webgl() : await packed();
  draw(0);
  turnable(turn.n, draw);
  canvas.dataset.ready = "yes";

  async function frames() {
    const bytes = new Uint8Array(await (await fetch(turn.pack)).arrayBuffer());
    const view = new DataView(bytes.buffer);
    const n = view.getUint32(4, true);
    const found = [];
    for (let i = 0, at = 8 + 4 * n; i < n; i++) {
      const length = view.getUint32(8 + 4 * i, true);
      const frame = bytes.slice(at, at + length).map((value) => value ^ 0x5a);
      found.push(await createImageBitmap(new Blob([frame])));
      at += length;
    }
    return found;
  }

  async function packed() {
    const bitmaps = await frames();
    const pen = canvas.getContext("2d");
    return (i) => pen.drawImage(bitmaps[i], 0, 0);
  }

  // Another host's picture without its leave: the canvas shows it, but gives its pixels to nobody.
  async function scrambled() {
    const atlas = new Image();
    atlas.src = turn.atlas;
    await atlas.decode();
    const pen = canvas.getContext("2d");
    const strip = Math.floor(turn.w / turn.strips);
    return (i) => {
      const left = (i % turn.columns) * turn.w;
      const top = Math.floor(i / turn.columns) * turn.h;
      pen.drawImage(atlas, left, top, turn.w, turn.h, 0, 0, turn.w, turn.h);
      turn.order[i].forEach((there, here) => {
        pen.drawImage(atlas, left + here * strip, top, strip, turn.h, there * strip, 0, strip, turn.h);
      });
    };
  }

  // No preserveDrawingBuffer: the pixels are gone as soon as the frame is on screen.
  async function webgl() {
    const bitmaps = await frames();
    const gl = canvas.getContext("webgl");
    if (!gl) throw new Error("this browser has no WebGL");
    const compile = (type, source) => {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      return shader;
    };
    const program = gl.createProgram();
    gl.attachShader(program, compile(gl.VERTEX_SHADER,
      "attribute vec2 p; varying vec2 t; void main() { t = vec2(p.x, 1.0 - p.y); gl_Position = vec4(p * 2.0 - 1.0, 0, 1); }"));
    gl.attachShader(program, compile(gl.FRAGMENT_SHADER,
      "precision mediump float; varying vec2 t; uniform sampler2D s; void main() { gl_FragColor = texture2D(s, t); }"));
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.viewport(0, 0, turn.w, turn.h);
    return (i) => {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmaps[i]);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    };
  }
})();
