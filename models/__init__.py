"""The science: taxonomy, audio decoding, front end, network, calibration and decision rule. Nothing here imports Beam."""
