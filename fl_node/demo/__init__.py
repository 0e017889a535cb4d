"""The whole story on one machine: a consortium founds a federation, trains, survives a dropout and a fraud, is audited."""
