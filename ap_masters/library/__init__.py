"""The folder of published masters.

``scan`` knows what is there (``entries``) and keeps it (``scan_cache``); ``holdings`` is as much of that as a plan
needs. ``store`` puts a master in and ``status`` changes what a user says of it, one at a time (``lock``). ``examine``
looks at a new master against the old ones. ``index``, ``due``, ``audit`` and ``validate`` (with ``capture``) tell about
it; ``importing``, ``mirror`` and ``prune`` carry files in, out and away (``copying``; ``vouching`` knows what had
better not be, ``contents`` what would be lost by it). ``foreign`` knows masters of other programs, ``candidates`` what
a script left that was run by hand, ``notes`` what a mirror had to say.
"""
