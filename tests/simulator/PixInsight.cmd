@rem Windows starts no program by the first line of its file.
@"%AP_SIM_PYTHON%" "%~dp0PixInsight" %*
