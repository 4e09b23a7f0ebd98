// A stage for rendered scripts: the smallest objects they touch, all in memory, recording what they are given.
// It computes nothing; tests/simulator does. `PLAY` says what shall happen.
var seen = { integrations: [], calibrations: [], saved: [], closed: [], console: [], files: {}, removed: [], slept: 0 };
var folders = {};
PLAY.folders.forEach(function (path) { folders[path] = true; });
var windows = {};

var console = {
   abortEnabled: false,
   write: function (kind, text) { seen.console.push(kind + text); },
   writeln: function (text) { this.write("", text); },
   noteln: function (text) { this.write("", text); },
   warningln: function (text) { this.write("W ", text); },
   criticalln: function (text) { this.write("E ", text); },
   beginLog: function (path) {
      if (PLAY.logRefused && path)
         throw new Error("File I/O Error");
      if (PLAY.logWritten && path)
         seen.files[path] = "log";
   },
   endLog: function () { return "bytes of the log"; }
};
Object.defineProperty(console, "abortRequested", { get: function () { return seen.saved.length >= PLAY.abortAfter; } });

var File = {
   exists: function (path) { return seen.files.hasOwnProperty(path) || PLAY.existing.indexOf(path) >= 0; },
   directoryExists: function (path) { return folders[path] === true && seen.saved.length < PLAY.goneAfter; },
   createDirectory: function (path) { folders[path] = true; },
   removeDirectory: function (path) { delete folders[path]; },
   remove: function (path) {
      if (PLAY.busy-- > 0)
         throw new Error("File I/O Error: the file is in use");
      delete seen.files[path];
      seen.removed.push(path);
   },
   move: function (from, to) {
      if (File.exists(to))
         throw new Error("File I/O Error: exists: " + to);
      seen.files[to] = seen.files[from];
      delete seen.files[from];
   },
   writeTextFile: function (path, text) { seen.files[path] = text; },
   writeFile: function (path, bytes) { seen.files[path] = bytes; }
};

function FITSKeyword(name, value, comment) {
   this.name = name;
   this.value = value;
   this.comment = comment;
}

function Window(id) {
   var self = this;
   this.isNull = false;
   this.keywords = PLAY.keywords.map(function (k) { return new FITSKeyword(k[0], k[1], k[2]); });
   this.mainView = { id: id, image: { width: 16, height: 12, numberOfChannels: 1 } };
   this.saveAs = function (path, query, messages, strict, verify, hints) {
      if (PLAY.unsaved)
         return false;
      seen.files[path] = "image";
      seen.saved.push({ path: path, dialogs: query || messages || strict || verify, hints: hints,
                        keywords: self.keywords.map(function (k) { return [k.name, k.value, k.comment]; }) });
      return true;
   };
   this.forceClose = function () {
      self.isNull = true;
      seen.closed.push(id);
   };
   windows[id] = this;
}

var ImageWindow = { windowById: function (id) { return windows[id] || { isNull: true }; } };

function only(P, names) {
   var copy = {};
   for (var name in P)
      if (typeof P[name] !== "function")
         copy[name] = P[name];
   return copy;
}

function ImageIntegration() {
   var P = this;
   PLAY.later.forEach(function (name) { P[name] = ""; });
   this.executeGlobal = function () {
      seen.integrations.push(only(P));
      if (PLAY.refused && P.images[0][1].indexOf(PLAY.refused) >= 0)
         return false;
      var n = P.images.length;
      P.integrationImageId = "integration" + seen.integrations.length;
      P.lowRejectionMapImageId = P.highRejectionMapImageId = P.slopeMapImageId = "";
      new Window(P.integrationImageId);
      P.imageData = P.images.map(function (row, i) { return [1, 0, 0, 10 + i, 0, 0, 100 + i, 0, 0]; });
      if (PLAY.fewerRows)
         P.imageData.pop();
      P.totalRejectedLowRK = n * 10 + n * (n - 1) / 2 + PLAY.miscount;
      P.totalRejectedHighRK = n * 100 + n * (n - 1) / 2;
      P.totalRejectedLowG = P.totalRejectedLowB = P.totalRejectedHighG = P.totalRejectedHighB = 0;
      return true;
   };
}
ImageIntegration.Average = ImageIntegration.prototype.Average = 0;

function freeName(stem) {
   var free = stem;
   for (var n = 1; File.exists(free + ".xisf"); ++n)
      free = stem + "_" + n;
   return free + ".xisf";
}

function ImageCalibration() {
   var P = this;
   this.executeGlobal = function () {
      seen.calibrations.push(only(P));
      P.outputData = P.targetFrames.map(function (row, i) {
         if (PLAY.uncalibrated.indexOf(i) >= 0)   // the so-manieth of its pass
            return ["", 0, 0, 0];
         var path = freeName(P.outputDirectory + "/" + row[1].replace(/.*\//, "").replace(/\.[^.]*$/, "") + "_c");
         seen.files[path] = "calibrated";
         return [path, 0.9 + i / 100, 0, 0];
      });
      return P.outputData.some(function (row) { return row[0] !== ""; });
   };
}

var CoreApplication = { versionMajor: 1, versionMinor: 9, versionRelease: 4 };
function processEvents() {}
function msleep(milliseconds) { seen.slept += milliseconds; }
