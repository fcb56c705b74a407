"""Models in operation at the desk: drift, calibration, segments, alarms, and what people do about them."""
