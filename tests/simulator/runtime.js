// What a script sees of PixInsight. Everything real happens in runtime.py, behind hostCall(name, JSON) -> JSON.
// An expression: a function that fills the global object. `dialect` is "sm" or "v8"; what is defined and what
// is left out differ by it.
function (global, dialect, hostCall) {
   "use strict";
   var Proxy = global.Proxy, WeakMap = global.WeakMap;
   var isArray = Array.isArray;

   // --- the bridge ----------------------------------------------------------------------------------------

   function special(value) {
      if (value === undefined || typeof value === "function" || typeof value === "symbol")
         return { special: typeof value };
      if (typeof value === "number" && !isFinite(value))
         return { special: String(value) };
      if (isArray(value))
         return value.map(special);
      return value === null || typeof value !== "object" ? value : { special: "object" };
   }

   function host(name) {
      var given = Array.prototype.slice.call(arguments, 1).map(special);
      var answer = JSON.parse(hostCall(name, JSON.stringify(given)));
      if (answer.error !== undefined)
         throw new (answer.kind === "TypeError" ? TypeError : Error)(answer.error);
      return answer.value;
   }

   function needString(where, value) {
      if (typeof value !== "string")
         throw new TypeError(where + ": invalid argument type: String expected.");
      return value;
   }

   function define(object, name, get, set) {
      Object.defineProperty(object, name, { get: get, set: set, enumerable: true, configurable: true });
   }

   function readOnly(where) {
      return function () { throw new TypeError(where + ": cannot assign a value to a read-only property"); };
   }

   // --- console -------------------------------------------------------------------------------------------

   function text(values) {
      return Array.prototype.map.call(values, String).join("");
   }

   function Console() {}
   ["write", "note", "warning", "critical"].forEach(function (name) {
      Console[name] = function () { return host("write", text(arguments)); };
      Console[name + "ln"] = function () { return host("write", text(arguments) + "\n"); };
   });
   ["flush", "clear", "show", "hide", "resetStatus", "abort"].forEach(function (name) {
      Console[name] = function () {};
   });
   Console.beginLog = function (path) { host("beginLog", path === undefined ? null : needString("Console.beginLog()", path)); };
   Console.endLog = function () { return new ByteArray(host("endLog")); };
   Console.logText = function () { return new ByteArray(host("logText")); };
   Console.abortEnabled = false;
   define(Console, "abortRequested", function () { return false; }, readOnly("Console.abortRequested"));

   function ByteArray(content) {
      this.length = host("utf8Length", content);
      this.toString = this.utf8ToString = function () { return content; };
   }

   // --- files ---------------------------------------------------------------------------------------------

   function File() { throw new TypeError("File: only the static part is simulated"); }
   ["exists", "directoryExists", "remove", "removeDirectory", "readTextFile", "readLines", "extractName",
      "extractExtension", "extractNameAndExtension", "extractDirectory", "extractDrive", "fullPath"].forEach(function (name) {
      File[name] = function (path) { return host("File." + name, needString("File." + name + "()", path)); };
   });
   ["move", "moveFile", "copyFile", "changeExtension", "appendToName"].forEach(function (name) {
      File[name] = function (a, b) {
         return host("File." + name, needString("File." + name + "()", a), needString("File." + name + "()", b));
      };
   });
   File.createDirectory = function (path, intermediate) {
      host("File.createDirectory", needString("File.createDirectory()", path), intermediate !== false);
   };
   File.writeTextFile = function (path, content) {
      host("File.writeTextFile", needString("File.writeTextFile()", path), needString("File.writeTextFile()", content));
   };
   File.writeFile = function (path, content) {
      if (!(content instanceof ByteArray))
         throw new TypeError("File.writeFile(): invalid argument type: ByteArray expected.");
      host("File.writeFile", needString("File.writeFile()", path), content.toString());
   };
   ["systemTempDirectory", "homeDirectory", "currentWorkingDirectory", "rootDirectory"].forEach(function (name) {
      define(File, name, function () { return host("File." + name); }, readOnly("File." + name));
   });

   function FileInfo(path) {
      var facts = host("FileInfo", needString("FileInfo()", path));
      for (var name in facts)
         this[name] = facts[name];
   }

   // --- keywords, images, windows -------------------------------------------------------------------------

   function FITSKeyword(name, value, comment) {
      this.name = name === undefined ? "" : needString("FITSKeyword()", name);
      this.value = value === undefined ? "" : needString("FITSKeyword()", value);
      this.comment = comment === undefined ? "" : needString("FITSKeyword()", comment);
   }
   define(FITSKeyword.prototype, "strippedValue", function () {
      var value = this.value.trim();
      return value.charAt(0) === "'" ? value.substring(1, value.lastIndexOf("'")).trim() : value;
   });
   define(FITSKeyword.prototype, "numericValue", function () { return parseFloat(this.value); });
   define(FITSKeyword.prototype, "isNull", function () { return this.value === ""; });
   define(FITSKeyword.prototype, "isString", function () { return this.value.trim().charAt(0) === "'"; });
   define(FITSKeyword.prototype, "isBoolean", function () { return /^\s*[TF]\s*$/.test(this.value); });
   define(FITSKeyword.prototype, "isNumeric", function () {
      return !this.isString && this.value.trim() !== "" && isFinite(Number(this.value));
   });
   FITSKeyword.prototype.trim = function () {
      this.name = this.name.trim();
      this.value = this.value.trim();
      this.comment = this.comment.trim();
   };
   FITSKeyword.prototype.toString = function () { return [this.name, this.value, this.comment].join(", "); };

   function Image(handle) {
      var self = this;
      ["width", "height", "numberOfChannels"].forEach(function (name) {
         define(self, name, function () { return host("Image." + name, handle); }, readOnly("Image." + name));
      });
      this.isReal = true;
      this.bitsPerSample = 32;
      this.selectedChannel = -1;
      this.resetSelections = function () { this.selectedChannel = -1; };
      ["mean", "median", "stdDev", "MAD", "minimum", "maximum", "variance", "count"].forEach(function (name) {
         self[name] = function (first) {
            // the first argument is a rectangle (or, for MAD, the centre); a channel number is a usual mistake
            if (first !== undefined && !(name === "MAD" && typeof first === "number"))
               throw new TypeError("Image." + name + "(): invalid argument type: Rect expected.");
            return host("Image." + name, handle, this.selectedChannel, first === undefined ? null : first);
         };
      });
      this.sample = function (x, y, channel) { return host("Image.sample", handle, x, y, channel || 0); };
   }

   function View(handle) {
      define(this, "isNull", function () { return handle === 0; });
      define(this, "id", function () { return host("Window.id", handle); }, readOnly("View.id"));
      define(this, "fullId", function () { return host("Window.id", handle); }, readOnly("View.fullId"));
      define(this, "window", function () { return new ImageWindow(secret, handle); }, readOnly("View.window"));
      define(this, "image", function () { return new Image(handle); }, readOnly("View.image"));
      this.hasProperty = function (id) { return host("View.hasProperty", handle, id); };
      this.propertyValue = function (id) { return host("View.propertyValue", handle, id); };
      this.setPropertyValue = function (id, value) { return host("View.setPropertyValue", handle, id, value); };
      this.beginProcess = this.endProcess = function () {};
   }
   View.viewById = function (id) {
      var handle = host("Window.find", needString("View.viewById()", id));
      return handle || dialect === "sm" ? new View(handle) : null;
   };

   var secret = {};

   function ImageWindow(key, handle) {
      if (key !== secret)
         throw new TypeError("ImageWindow: making windows is not simulated");
      var self = this;
      define(this, "isNull", function () { return handle === 0 || !host("Window.isOpen", handle); }, readOnly("ImageWindow.isNull"));
      define(this, "mainView", function () { return new View(handle); }, readOnly("ImageWindow.mainView"));
      define(this, "filePath", function () { return host("Window.path", handle); }, readOnly("ImageWindow.filePath"));
      define(this, "isFloatSample", function () { return true; });
      define(this, "bitsPerSample", function () { return 32; });
      define(this, "keywords", function () {
         return host("Window.keywords", handle).map(function (k) { return new FITSKeyword(k[0], k[1], k[2]); });
      }, function (keywords) {
         if (!isArray(keywords) || !keywords.every(function (k) { return k instanceof FITSKeyword; }))
            throw new TypeError("ImageWindow.keywords: Array of FITSKeyword expected.");
         host("Window.setKeywords", handle, keywords.map(function (k) {
            return [needString("FITSKeyword.name", k.name), needString("FITSKeyword.value", k.value), needString("FITSKeyword.comment", k.comment)];
         }));
      });
      this.saveAs = function (path, queryOptions, allowMessages, strict, verifyOverwrite, hints) {
         return host("Window.saveAs", handle, needString("ImageWindow.saveAs()", path), queryOptions !== false,
                     verifyOverwrite !== false, hints === undefined ? "" : needString("ImageWindow.saveAs()", hints));
      };
      this.forceClose = function () { host("Window.forceClose", handle); };
      this.close = function () { host("Window.close", handle); };
      ["show", "hide", "purge", "bringToFront"].forEach(function (name) { self[name] = function () {}; });
   }
   ImageWindow.windowById = function (id) {
      return new ImageWindow(secret, host("Window.find", needString("ImageWindow.windowById()", id)));
   };
   ImageWindow.open = function (path, id, hints) {
      return host("Window.open", needString("ImageWindow.open()", path), id || "", hints || "").map(function (handle) {
         return new ImageWindow(secret, handle);
      });
   };
   define(ImageWindow, "windows", function () {
      return host("Window.all").map(function (handle) { return new ImageWindow(secret, handle); });
   }, readOnly("ImageWindow.windows"));

   // --- processes -----------------------------------------------------------------------------------------

   var parametersOf = new WeakMap();

   function defineProcess(name) {
      var description = host("Process.describe", name);   // { defaults, aliases, constants }

      function Process() {
         var values = JSON.parse(JSON.stringify(description.defaults));
         var canonical = function (key) { return description.aliases[key] || key; };
         var instance = new Proxy(this, {
            has: function (target, key) { return canonical(key) in values || key in target; },
            get: function (target, key) {
               var value = values[canonical(key)];
               // tables are read as copies: changing one does nothing until it is assigned
               return value === undefined ? target[key] : isArray(value) ? JSON.parse(JSON.stringify(value)) : value;
            },
            set: function (target, key, value) {
               key = canonical(key);
               if (key in values)
                  values[key] = host("Process.check", name, key, value);
               else {
                  host("Process.unknown", name, String(key));
                  target[key] = value;
               }
               return true;
            }
         });
         parametersOf.set(instance, values);
         return instance;
      }

      var methods = {
         executeGlobal: function () {
            var values = parametersOf.get(this);
            var outputs = host("Process.execute", name, JSON.stringify(values));
            if (outputs === null)
               return false;
            for (var key in outputs)
               values[key] = outputs[key];
            return true;
         },
         canExecuteGlobal: function () { return host("Process.refusal", name, JSON.stringify(parametersOf.get(this))) === null; },
         executeOn: function () { throw new Error(name + ": Cannot execute instance on a view"); },
         validate: function () { return true; },
         processId: function () { return name; },
         assign: function (other) {
            var from = parametersOf.get(other), to = parametersOf.get(this);
            for (var key in from)
               to[key] = from[key];
         }
      };
      if (dialect === "sm") {
         for (var id in description.constants)
            methods[id] = description.constants[id];
         // for..in over a prototype brings SpiderMonkey's PixInsight down
         Process.prototype = new Proxy(methods, { ownKeys: function () { host("crash"); } });
      } else {
         Process.prototype = methods;
         for (var element in description.constants)
            Process[element] = description.constants[element];
      }
      return Process;
   }

   // --- globals -------------------------------------------------------------------------------------------

   function CoreApplication() {}
   var core = host("core");
   for (var fact in core)
      CoreApplication[fact] = core[fact];

   function ElapsedTime() {
      var begun = new Date().getTime();
      define(this, "value", function () { return (new Date().getTime() - begun) / 1000; });
      define(this, "text", function () { return host("elapsed", this.value); });
      this.reset = function () { begun = new Date().getTime(); };
   }

   var exported = {
      Console: Console, console: Console, ByteArray: ByteArray, File: File, FileInfo: FileInfo, FITSKeyword: FITSKeyword,
      Image: Image, View: View, ImageWindow: ImageWindow, CoreApplication: CoreApplication, ElapsedTime: ElapsedTime,
      ImageIntegration: defineProcess("ImageIntegration"), ImageCalibration: defineProcess("ImageCalibration"),
      coreVersionMajor: core.versionMajor, coreVersionMinor: core.versionMinor, coreVersionRelease: core.versionRelease,
      coreVersionRevision: core.versionRevision, coreVersionBuild: core.versionBuild, coreVersionCodename: core.versionCodename,
      corePlatform: core.platform, jsArguments: host("arguments"), jsAbortable: false, jsAutoGC: false, jsScriptResult: "",
      processEvents: function () {}, gc: function () {},
      msleep: function (ms) { host("sleep", ms / 1000); }, sleep: function (s) { host("sleep", s); },
      format: function () { return host.apply(null, ["format"].concat(Array.prototype.slice.call(arguments))); },
      getEnvironmentVariable: function () { return ""; }   // seen to be empty under automation
   };
   if (dialect === "v8")
      CoreApplication.processEvents = exported.processEvents;

   // --- what SpiderMonkey 24 does not have ----------------------------------------------------------------

   var es5 = {
      Object: ["create defineProperties defineProperty freeze getOwnPropertyDescriptor getOwnPropertyNames getPrototypeOf isExtensible isFrozen isSealed keys preventExtensions seal",
         "constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf __proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__"],
      Function: ["", "apply arguments bind call caller constructor length name toString"],
      Array: ["isArray", "concat constructor every filter forEach indexOf join lastIndexOf length map pop push reduce reduceRight reverse shift slice some sort splice toLocaleString toString unshift"],
      String: ["fromCharCode", "charAt charCodeAt concat constructor indexOf lastIndexOf length localeCompare match replace search slice split substr substring toLocaleLowerCase toLocaleUpperCase toLowerCase toString toUpperCase trim valueOf"],
      Number: ["MAX_VALUE MIN_VALUE NEGATIVE_INFINITY NaN POSITIVE_INFINITY", "constructor toExponential toFixed toLocaleString toPrecision toString valueOf"],
      Math: ["E LN10 LN2 LOG10E LOG2E PI SQRT1_2 SQRT2 abs acos asin atan atan2 ceil cos exp floor log max min pow random round sin sqrt tan", ""],
      Date: ["UTC now parse", null], RegExp: ["", "compile constructor exec global ignoreCase lastIndex multiline source test toString flags"],
      Boolean: ["", null], Error: ["", null], EvalError: ["", null], RangeError: ["", null], ReferenceError: ["", null],
      SyntaxError: ["", null], TypeError: ["", null], URIError: ["", null], JSON: ["parse stringify", ""]
   };
   var plain = ("NaN Infinity undefined parseInt parseFloat isNaN isFinite decodeURI decodeURIComponent encodeURI " +
      "encodeURIComponent eval escape unescape ArrayBuffer DataView Int8Array Uint8Array Int16Array Uint16Array " +
      "Int32Array Uint32Array Float32Array Float64Array").split(" ");

   function keepOnly(object, names) {
      var kept = names.split(" ").concat("length", "name", "prototype");
      Object.getOwnPropertyNames(object).forEach(function (name) {
         if (kept.indexOf(name) < 0 && Object.getOwnPropertyDescriptor(object, name).configurable)
            delete object[name];
      });
   }

   if (dialect === "sm") {
      Object.getOwnPropertyNames(global).forEach(function (name) {
         if (!(name in es5) && plain.indexOf(name) < 0)
            delete global[name];
      });
      Object.keys(es5).forEach(function (name) {
         keepOnly(global[name], es5[name][0]);
         if (es5[name][1])
            keepOnly(global[name].prototype, es5[name][1]);
      });
   }
   delete global.hostCall;
   for (var name in exported)
      global[name] = exported[name];
}
