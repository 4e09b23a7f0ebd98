// ap-masters VERSION: 1 calibration master with PixInsight
//
// Run this with Script > Execute Script File... It opens no dialog and changes no file that exists.
// For every group of frames it calibrates (flats only), integrates, puts back the keywords that
// ImageIntegration drops, saves the master, and writes a record (.xrs, JSON) beside it.
// Where a master stands already, the new one gets the time of this script in its name.
// A script cannot judge a master: each is a candidate until `ap-masters library publish` makes it serve.
//
//   "bias, ZWO ASI2600MM Pro, gain 100, offset 50, -10 C, 16x12"
//      3 frames -> "/library/master/master-bias.xisf"

(function () {

var RUN = {
   version: "VERSION",
   id: "manual-20260129_123456",
   stamp: "20260129_123456",
   log: "/library/logs/20260129_123456.log",
   status: "/library/logs/20260129_123456_status.json",
   final: true   // masters go to their places in the library; nothing there is overwritten
};

// What ImageIntegration 1.6.0 and ImageCalibration 2.2.8 mean by the numbers below stands beside them.
var JOBS = [
   {
      id: "bias-1a2b3c4d",
      title: "bias, ZWO ASI2600MM Pro, gain 100, offset 50, -10 C, 16x12",
      master: "/library/master/master-bias.xisf",
      hints: "properties fits-keywords no-compress-data block-alignment 4096 max-inline-block-size 3072 no-embedded-data no-resolution",
      recordPath: "/library/master/master-bias.xrs",
      imageType: 1,   // pcl::ImageType of the frames
      fewest: 3,   // frames below which ImageIntegration refuses, or rejects everything
      frames: [
         "/night/bias 1.fits",
         "/night/bias 2.fits",
         "/night/bias 3.fits"
      ],
      calibration: null,
      integration: {
         combination: 0,   // Average
         normalization: 0,   // NoNormalization
         rejection: 2,   // PercentileClip
         rejectionNormalization: 0,   // NoRejectionNormalization
         minMaxLow: 1,
         minMaxHigh: 1,
         pcClipLow: 0.2,
         pcClipHigh: 0.1,
         sigmaLow: 4.0,
         sigmaHigh: 3.0,
         winsorizationCutoff: 5.0,
         linearFitLow: 5.0,
         linearFitHigh: 3.5,
         esdOutliersFraction: 0.3,
         esdAlpha: 0.05,
         esdLowRelaxation: 1.0
      },
      keywords: [   // name, value, comment
         ["IMAGETYP", "Master Bias", "Type of image"],
         ["EXPTIME", 0.0, "[s]"],
         ["GAIN", 100, ""],
         ["SET-TEMP", -10.0, "[degC]"]
      ],
      record: {
         "schema": "ap-masters/record",
         "version": 1,
         "status": "candidate",
         "master": {"name": "master-bias.xisf", "width": 16, "height": 12, "channels": 1, "sample": "float32", "scale": "unit", "size": null, "sha256": null},
         "created": null,
         "seconds": null,
         "software": {"name": "ap-masters", "version": "VERSION"},
         "engine": null,
         "key": {"type": "bias", "camera": "ZWO ASI2600MM Pro", "camera_id": null, "gain": 100.0, "offset": 50.0, "iso": null, "x_binning": null, "y_binning": null, "width": 16, "height": 12, "channels": null, "x_origin": null, "y_origin": null, "bayer_pattern": null, "readout_mode": null, "usb_limit": null, "temperature": -10.0, "exposure": null, "telescope": null, "focal_length": null, "filter": null, "rotation": null, "night": null},
         "telescope": null,
         "electrons_per_adu": null,
         "row_order": null,
         "capture": null,
         "recipe": {"combination": "average", "rejection": "percentile", "normalization": "none", "rejection_normalization": "none", "minmax_low": 1, "minmax_high": 1, "percentile_low": 0.2, "percentile_high": 0.1, "sigma_low": 4.0, "sigma_high": 3.0, "winsorization_cutoff": 5.0, "linear_fit_low": 5.0, "linear_fit_high": 3.5, "esd_outliers": 0.3, "esd_alpha": 0.05, "esd_low_relaxation": 1.0, "target_median": null},
         "calibration": null,
         "combined": null,
         "started": null,
         "ended": null,
         "dropped": [],
         "refused": [],
         "grade": "minimum",
         "rejected": null,
         "statistics": null,
         "measures": [],
         "findings": [],
         "decisions": [],
         "warnings": [],
         "labels": [],
         "supersedes": null,
         "log": "logs/20260129_123456.log",
         "script": "logs/20260129_123456_calibrate_masters.js",
         "history": [],
         "inputs": [
            {"path": "/night/bias 1.fits", "size": 8640, "mtime_ns": "1769720400123456789", "sha256": null, "started": "2026-01-29T21:00:00Z", "exposure": 0.0, "set_temperature": -10.0, "sensor_temperature": -10.0, "cooler_power": null, "outcome": null},
            {"path": "/night/bias 2.fits", "size": 8640, "mtime_ns": "1769720400123456790", "sha256": null, "started": "2026-01-29T21:01:00Z", "exposure": 0.0, "set_temperature": -10.0, "sensor_temperature": -10.0, "cooler_power": null, "outcome": null},
            {"path": "/night/bias 3.fits", "size": 8640, "mtime_ns": "1769720400123456791", "sha256": null, "started": "2026-01-29T21:02:00Z", "exposure": 0.0, "set_temperature": -10.0, "sensor_temperature": -10.0, "cooler_power": null, "outcome": null}
         ]
      }
   }
];

// ---------------------------------------------------------------------------------------------------
// Helpers. The script keeps to ECMAScript 5 and uses no #include, so that every PixInsight from 1.8.9
// to 1.9.4 runs it, with either of its JavaScript engines.

// The console reads <tags> as mark-up; names of files and filters are not meant that way.
function plain(text) {
   return "<raw>" + String(text).replace(/</g, "\u2039") + "</raw>";
}

function say(text) {
   console.noteln(plain(text));
}

function warn(text) {
   console.warningln(plain("** Warning: " + text));
}

function messageOf(error) {
   return error && error.message ? String(error.message) : String(error);
}

function seconds(since) {
   return Math.max(new Date().getTime() - since, 0) / 1000;   // clocks are set back
}

// writeTextFile() spoils characters of four UTF-8 bytes: JSON goes out as plain ASCII.
function toJson(value) {
   var text = JSON.stringify(value, null, 1).replace(/[\u007f-\uffff]/g, function (character) {
      return "\\u" + ("0000" + character.charCodeAt(0).toString(16)).slice(-4);
   });
   // Times in nanoseconds exceed what a JavaScript number holds; they travel as text and leave as numbers.
   return text.replace(/"mtime_ns": "(\d+)"/g, '"mtime_ns": $1') + "\n";
}

// A reader sees the old text or the new one, as far as PixInsight can do that. Windows refuses to replace
// a file that is just being read, so try a few times.
function replaceFile(path, text) {
   var part = path + ".part";
   File.writeTextFile(part, text);
   for (var attempt = 1; ; ++attempt) {
      try {
         if (File.exists(path))
            File.remove(path);
         File.move(part, path);
         return;
      } catch (error) {
         if (attempt === 5)
            throw error;
         msleep(50);
      }
   }
}

function folderOf(path) {
   return path.substring(0, path.lastIndexOf("/"));
}

function makeFolder(path) {
   if (path && !File.directoryExists(path))
      File.createDirectory(path, true);
}

function removeFile(path) {
   try {
      if (path && File.exists(path))
         File.remove(path);
   } catch (error) {
      warn("Could not remove " + path + ": " + messageOf(error));
   }
}

// "dir/name.xisf" + "_20260129_123456" -> "dir/name_20260129_123456.xisf"
function withPostfix(path, postfix) {
   var dot = path.lastIndexOf(".");
   return path.substring(0, dot) + postfix + path.substring(dot);
}

function nameOf(path) {
   return path.substring(path.lastIndexOf("/") + 1);
}

// "dir/name.log", or the first of "dir/name_2.log", "dir/name_3.log" that is free.
function freePath(path) {
   var free = path;
   for (var n = 2; File.exists(free); ++n)
      free = withPostfix(path, "_" + n);
   return free;
}

function closeWindow(id) {
   if (!id)
      return;
   var window = ImageWindow.windowById(id);
   if (window && !window.isNull)
      window.forceClose();
}

function assign(process, settings) {
   for (var name in settings)
      process[name] = settings[name];
}

// For properties that older versions do not have.
function assignIfKnown(process, name, value) {
   if (process[name] !== undefined)
      process[name] = value;
}

function coreVersion() {
   if (typeof CoreApplication !== "undefined" && CoreApplication.versionMajor !== undefined)
      return [CoreApplication.versionMajor, CoreApplication.versionMinor, CoreApplication.versionRelease].join(".");
   if (typeof coreVersionMajor !== "undefined")
      return [coreVersionMajor, coreVersionMinor, coreVersionRelease].join(".");
   return "unknown";
}

// Progress for whoever waits for this script: one entry per job, written whenever something changes.
var progress = JOBS.map(function (job) {
   return { id: job.id, state: "Queued", fraction: 0, detail: "", seconds: 0, dropped: [] };
});

function writeStatus(state) {
   var status = {
      format: 1,
      run: RUN.id,
      state: state,
      time: new Date().toISOString(),
      version: coreVersion(),
      jobs: progress
   };
   try {
      replaceFile(RUN.status, toJson(status));
   } catch (error) {
      warn("Could not write " + RUN.status + ": " + messageOf(error));
   }
}

function tell(index, state, fraction, detail) {
   progress[index].state = state;
   progress[index].fraction = fraction;
   progress[index].detail = detail;
   writeStatus("running");
   processEvents();
}

// ---------------------------------------------------------------------------------------------------
// ImageCalibration: subtracts the masters from every frame of a job and writes copies.
// Returns [{ index, path, darkScaling }], one for each frame that could be calibrated.

// A master ("bias" or "dark") is a path, or the id of a job of this script that makes it.
function masterPath(job, name) {
   var reference = job.calibration[name];
   if (!reference)
      return "";
   if (!reference.job)
      return reference.path;
   if (!made[reference.job])
      throw new Error("The master that this group needs was not made: " + reference.path);
   job.record.calibration[name].path = made[reference.job];   // beside an older master it has another name
   return made[reference.job];
}

// ImageCalibration writes several files at once and names them after the frames. So that frames of one name, from
// different folders or with different suffixes, do not meet in one file, each pass has every name once. Returns
// indexes of frames.
function passesOf(frames) {
   var passes = [], times = {};
   frames.forEach(function (frame, i) {
      var key = "=" + nameOf(frame).toLowerCase().replace(/\.[^.]*$/, "");
      var pass = times[key] || 0;
      times[key] = pass + 1;
      if (!passes[pass])
         passes.push([]);
      passes[pass].push(i);
   });
   return passes;
}

function calibrate(job) {
   var plan = job.calibration;
   var bias = masterPath(job, "bias"), dark = masterPath(job, "dark");
   makeFolder(plan.folder);
   removeCalibratedFrames(job);

   var P = new ImageCalibration;
   P.inputHints = "fits-keywords normalize only-first-image raw cfa use-roworder-keywords signed-is-physical";
   P.outputHints = "properties fits-keywords no-compress-data block-alignment 4096 max-inline-block-size 3072 no-embedded-data no-resolution";
   P.pedestal = 0;
   P.pedestalMode = 1;   // Keyword
   P.pedestalKeyword = "";
   P.overscanEnabled = false;
   P.masterFlatEnabled = false;
   P.masterFlatPath = "";
   P.calibrateBias = true;
   P.calibrateFlat = false;
   P.darkOptimizationThreshold = 0.0;
   P.darkOptimizationLow = 3.0;
   P.darkOptimizationWindow = 0;
   P.darkCFADetectionMode = 0;   // DetectCFA
   P.separateCFAFlatScalingFactors = false;
   P.flatScaleClippingFactor = 0.05;
   assignIfKnown(P, "cosmeticCorrectionLow", false);
   assignIfKnown(P, "cosmeticCorrectionHigh", false);
   assignIfKnown(P, "cosmeticShowMap", false);
   assignIfKnown(P, "cosmeticShowMapAndStop", false);
   P.evaluateNoise = false;
   P.evaluateSignal = false;
   P.outputExtension = ".xisf";
   P.outputPrefix = "";
   P.outputPostfix = "_c";
   P.outputSampleFormat = 2;   // f32
   P.outputPedestal = 0;
   P.outputPedestalMode = 0;   // OutputPedestal_Literal
   assignIfKnown(P, "generateHistoryProperties", true);
   assignIfKnown(P, "generateFITSKeywords", true);
   P.overwriteExistingFiles = false;
   P.onError = 0;   // Continue
   P.noGUIMessages = true;
   P.useFileThreads = true;
   P.fileThreadOverload = 1.0;
   P.maxFileReadThreads = 0;
   P.maxFileWriteThreads = 0;
   P.masterBiasEnabled = bias !== "";
   P.masterBiasPath = bias;
   P.masterDarkEnabled = dark !== "";
   P.masterDarkPath = dark;
   P.outputDirectory = plan.folder;
   assign(P, plan.settings);

   job.calibrated = [];
   passesOf(job.frames).forEach(function (pass) {
      P.targetFrames = pass.map(function (i) { return [true, job.frames[i]]; });
      // It returns true when one frame of many succeeded: look at every row, and at the file it names.
      var output = P.executeGlobal() ? P.outputData : [];
      pass.forEach(function (i, row) {
         var path = output[row] ? output[row][0] : "";
         var factor = plan.settings.optimizeDarks && path ? output[row][1] : null;
         if (path && File.exists(path))
            job.calibrated.push({ index: i, path: path, darkScaling: factor });
         else
            warn("Could not be calibrated, left out: " + job.frames[i]);
      });
   });
   if (job.calibrated.length === 0)
      throw new Error("ImageCalibration failed; the log says why");
   return job.calibrated.sort(function (a, b) { return a.index - b.index; });
}

// Also what an earlier run left that was broken off in the middle.
function removeCalibratedFrames(job) {
   job.frames.forEach(function (frame) {
      var name = withPostfix(nameOf(frame), "_c");
      removeFile(job.calibration.folder + "/" + name.replace(/\.[^.]*$/, ".xisf"));
   });
   (job.calibrated || []).forEach(function (frame) { removeFile(frame.path); });
}

// ---------------------------------------------------------------------------------------------------
// ImageIntegration: makes one image of many. Returns the process, whose read-only properties say what it did.

function integrate(job, paths) {
   var P = new ImageIntegration;
   P.images = paths.map(function (path) { return [true, path, "", ""]; });
   P.inputHints = "fits-keywords normalize only-first-image raw cfa use-roworder-keywords signed-is-physical";
   assignIfKnown(P, "overrideImageType", true);
   P.weightMode = 0;   // DontCare
   P.weightScale = 2;   // WeightScale_BWMV
   assignIfKnown(P, "minWeight", 0.005);
   P.csvWeights = "";
   P.ignoreNoiseKeywords = false;
   P.rcrLimit = 0.1;
   P.clipLow = true;
   P.clipHigh = true;
   P.rangeClipLow = false;
   P.rangeLow = 0.0;
   P.rangeClipHigh = false;
   P.rangeHigh = 0.98;
   P.mapRangeRejection = false;
   P.reportRangeRejection = false;
   P.largeScaleClipLow = false;
   P.largeScaleClipHigh = false;
   P.generate64BitResult = false;
   P.generateRejectionMaps = false;
   assignIfKnown(P, "generateSlopeMaps", false);
   P.generateIntegratedImage = true;
   P.generateDrizzleData = false;
   assignIfKnown(P, "generateFITSKeywords", true);
   P.closePreviousImages = false;
   P.useROI = false;
   P.useCache = false;
   P.evaluateSNR = false;
   P.subtractPedestals = false;
   P.truncateOnOutOfRange = true;
   P.noGUIMessages = true;
   P.showImages = false;
   P.useFileThreads = true;
   P.fileThreadOverload = 1.0;
   P.useBufferThreads = true;
   P.maxBufferThreads = 0;
   P.autoMemorySize = true;
   P.autoMemoryLimit = 0.75;
   P.bufferSizeMB = 16;
   P.stackSizeMB = 1024;
   assignIfKnown(P, "imageType", job.imageType);
   assign(P, job.integration);

   if (!P.executeGlobal())
      throw new Error("ImageIntegration failed; the log says why");
   if (!P.integrationImageId)
      throw new Error("ImageIntegration made no image");
   return P;
}

// Samples rejected in each frame, over all channels: columns 3..5 of imageData are low, 6..8 high.
function rejectedOf(P) {
   return P.imageData.map(function (row) {
      return { low: row[3] + row[4] + row[5], high: row[6] + row[7] + row[8] };
   });
}

function closeWindowsOf(P) {
   closeWindow(P.integrationImageId);
   closeWindow(P.lowRejectionMapImageId);
   closeWindow(P.highRejectionMapImageId);
   closeWindow(P.slopeMapImageId);
}

// ---------------------------------------------------------------------------------------------------
// The jobs, one after the other. A failure ends one job, not the run.

var made = {};   // id of a job -> path of the master it made

// What to put between name and suffix so that nothing in the library is overwritten.
function freePostfix(job) {
   var postfix = "";
   if (RUN.final)
      for (var n = 1; File.exists(withPostfix(job.master, postfix)) ||
                      File.exists(withPostfix(job.recordPath, postfix)); ++n)
         postfix = "_" + RUN.stamp + (n > 1 ? "_" + n : "");
   return postfix;
}

// A value as it stands in a FITS header: text in quotes, quotes inside it doubled.
function fitsValue(value) {
   if (value === null)
      return "";
   if (typeof value === "string")
      return "'" + value.replace(/'/g, "''") + "'";
   if (typeof value === "boolean")
      return value ? "T" : "F";
   return String(value).toUpperCase();
}

// ImageIntegration keeps few keywords (EXPTIME, GAIN, OFFSET and temperatures are lost): put the whole set
// in front of its own, and keep its HISTORY, which is the account of the integration.
function setKeywords(window, keywords) {
   var present = {};
   var result = keywords.map(function (keyword) {
      present[keyword[0]] = true;
      return new FITSKeyword(keyword[0], fitsValue(keyword[1]), keyword[2]);
   });
   window.keywords.forEach(function (keyword) {
      var name = keyword.name.trim().toUpperCase();
      var commentary = name === "" || name === "HISTORY" || name === "COMMENT";
      if (commentary || present[name] !== true) {
         present[name] = true;
         result.push(keyword);
      }
   });
   window.keywords = result;
}

// "Integration with ImageIntegration module version 1.6.0" -> "ImageIntegration 1.6.0"
function definitionOf(window) {
   var found = "ImageIntegration";
   window.keywords.forEach(function (keyword) {
      var match = /ImageIntegration module version (\S+)/.exec(keyword.comment);
      if (match)
         found = "ImageIntegration " + match[1];
   });
   return found;
}

// The master appears under its name by one rename, so that nobody meets half of it.
function saveMaster(window, path, hints) {
   var part = withPostfix(path, ".part");
   removeFile(part);
   if (!window.saveAs(part, false, false, false, false, hints) || !File.exists(part))
      throw new Error("The master could not be saved: " + path);
   File.move(part, path);
}

// Completes the record that lies ready in the job by what only the process knows.
function completeRecord(job, used, P, window, started) {
   var record = job.record, image = window.mainView.image;
   var rejected = rejectedOf(P), known = rejected.length === used.length;
   var low = P.totalRejectedLowRK + P.totalRejectedLowG + P.totalRejectedLowB;
   var high = P.totalRejectedHighRK + P.totalRejectedHighG + P.totalRejectedHighB;
   var lowSum = 0, highSum = 0;
   record.inputs = used.map(function (frame, i) {
      var input = job.record.inputs[frame.index];
      if (known) {
         lowSum += rejected[i].low;
         highSum += rejected[i].high;
         input.outcome = {
            path: input.path,
            rejected_low: rejected[i].low,
            rejected_high: rejected[i].high,
            dark_scaling: frame.darkScaling
         };
      }
      return input;
   });
   if (!known)
      record.warnings.push("PixInsight counted the rejected samples of " + rejected.length + " frames, not of " +
                           used.length);
   record.rejected = {
      low: known ? lowSum : low,
      high: known ? highSum : high,
      samples: used.length * image.width * image.height * image.numberOfChannels,
      agree: known && low === lowSum && high === highSum
   };
   record.engine = { name: "pixinsight", version: coreVersion(), definition: definitionOf(window) };
   if (RUN.final)
      record.log = folderOf(record.log) + "/" + nameOf(RUN.log);
   record.created = started.toISOString();
   record.seconds = seconds(started.getTime());
   return record;
}

// Which frames a job will integrate: their index in the job and the file to read.
function framesToIntegrate(job, index) {
   if (!job.calibration)
      return job.frames.map(function (path, i) { return { index: i, path: path, darkScaling: null }; });
   tell(index, "Running", 0.05, "calibrating " + job.frames.length + " frames");
   var used = calibrate(job);
   job.frames.forEach(function (path, i) {
      if (!used.some(function (frame) { return frame.index === i; })) {
         var entry = { path: job.record.inputs[i].path, reason: "could not be calibrated", detail: "see the log" };
         job.record.dropped.push(entry);
         progress[index].dropped.push(entry);
      }
   });
   if (used.length < job.fewest)
      throw new Error("Only " + used.length + " of " + job.frames.length + " frames could be calibrated; " +
                      job.fewest + " are needed");
   return used;
}

function buildMaster(job, index) {
   var started = new Date;
   var used = [], P = null;
   try {
      used = framesToIntegrate(job, index);
      tell(index, "Running", job.calibration ? 0.5 : 0.1, "integrating " + used.length + " frames");
      P = integrate(job, used.map(function (frame) { return frame.path; }));

      tell(index, "Running", 0.9, "saving");
      var window = ImageWindow.windowById(P.integrationImageId);
      if (!window || window.isNull)
         throw new Error("The integrated image is gone: " + P.integrationImageId);
      var record = completeRecord(job, used, P, window, started);
      setKeywords(window, job.keywords);
      var postfix = freePostfix(job);
      var path = withPostfix(job.master, postfix);
      if (RUN.final)
         makeFolder(folderOf(path));
      record.master.name = nameOf(path);
      saveMaster(window, path, job.hints);
      replaceFile(withPostfix(job.recordPath, postfix), toJson(record));
      made[job.id] = path;
      return path;
   } finally {
      if (P)
         closeWindowsOf(P);
      if (job.calibration)
         removeCalibrated(job);
   }
}

function removeCalibrated(job) {
   removeCalibratedFrames(job);
   try {
      if (File.directoryExists(job.calibration.folder))
         File.removeDirectory(job.calibration.folder);
   } catch (error) {
      warn("Could not remove " + job.calibration.folder + ": " + messageOf(error));
   }
}

// A launched script works in a folder of the build that waits for it. Where that is gone, so is the build.
function isAbandoned() {
   return !RUN.final && !File.directoryExists(folderOf(RUN.status));
}

// Builds one master and says how that ended; true when it stands.
function run(job, index) {
   var which = "ap-masters: job " + (index + 1) + " of " + JOBS.length;
   var begun = new Date().getTime();
   var state = "Failed", detail = "stopped by the user";
   if (!console.abortRequested && !isAbandoned()) {
      say(which + " begins: " + job.id + " (" + job.title + ")");
      try {
         detail = buildMaster(job, index);
         state = "Success";
         say(which + " succeeded: " + detail);
      } catch (error) {
         detail = messageOf(error);
         console.criticalln(plain("*** Error: " + detail));
         console.criticalln(plain(which + " failed: " + job.id));
      }
   }
   progress[index].seconds = seconds(begun);
   tell(index, state, state === "Success" ? 1 : 0, detail);
   return state === "Success";
}

function buildAll() {
   var begun = new Date().getTime();
   if (isAbandoned()) {
      console.criticalln(plain("*** Error: The build that this script belongs to is over. " +
                               "For a script to run by hand: ap-masters script"));
      return;
   }
   makeFolder(folderOf(RUN.status));
   makeFolder(folderOf(RUN.log));
   console.abortEnabled = true;
   RUN.log = freePath(RUN.log);   // run once more by hand: the account of the first time stays
   beginLog();
   try {
      writeStatus("running");
      say("ap-masters " + RUN.version + ": " + JOBS.length + " jobs with PixInsight " + coreVersion());
      var succeeded = JOBS.filter(run).length;
      say("ap-masters: " + succeeded + " of " + JOBS.length + " jobs done in " + seconds(begun).toFixed(1) + " s");
   } finally {
      endLog();
      writeStatus("done");
   }
}

function beginLog() {
   try {
      console.beginLog(RUN.log);
   } catch (error) {
      warn("Could not begin " + RUN.log + ": " + messageOf(error));
      console.beginLog();
   }
}

// beginLog(path) writes the file on the versions that were looked at; where it did not, the text is here.
function endLog() {
   var text = console.endLog();
   try {
      if (!File.exists(RUN.log))
         File.writeTextFile(RUN.log, String(text));   // a ByteArray, or a String as 1.9.2 was seen to give
   } catch (error) {
      warn("Could not write " + RUN.log + ": " + messageOf(error));
   }
}

buildAll();

})();
