// Ties the timeline to the video: a line runs along, a click goes there.
const rate = Number(document.currentScript.dataset.frameRate);
const film = document.getElementById("film");
const timeline = document.getElementById("timeline");
const now = document.getElementById("now");
const frames = timeline.viewBox.baseVal.width;
function follow() {
  const at = Math.min(film.currentTime * rate, frames);
  now.setAttribute("x1", at);
  now.setAttribute("x2", at);
  requestAnimationFrame(follow);
}
follow();
timeline.addEventListener("click", (event) => {
  const box = timeline.getBoundingClientRect();
  film.currentTime = (event.clientX - box.left) / box.width * frames / rate;
});
