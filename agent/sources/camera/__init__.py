"""`type = "camera"`: V4L2 devices, RTSP and HTTP streams, video files and GIFs, all read by OpenCV."""
