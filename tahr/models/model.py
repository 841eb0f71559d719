"""`Model`: a layer that trains, saves and summarises itself."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from tahr import tree
from tahr.layers.in_graph import in_graph
from tahr.layers.layer import Layer
from tahr.layers.signature import is_array_like, shapes_of
from tahr.recording import takes_old_names
from tahr.symbolic import KerasTensor, any_symbolic

__all__ = ["Model"]

_NOT_GIVEN: Any = object()


@functools.cache
def _predict() -> Callable[..., Any]:
    """Return the function behind `Model.predict`; for one row, an import statement takes a tenth of the time."""
    from tahr.trainer.predict import predict

    return predict


class Model(Layer):
    """Layers grouped into something that can be trained, saved and served.

    `Model(inputs, outputs)` makes a functional model from symbols; a subclass defines layers in `__init__` and the
    computation in `call`.

    >>> x = keras.Input((4,))
    >>> model = keras.Model(x, keras.layers.Dense(2)(x))
    >>> model.count_params()
    10
    """

    _untracked = Layer._untracked | {"_function", "_compiled", "_session", "optimizer", "history", "stop_training"}
    _takes_text = True  # its layers decide: lookups take text, all others refuse it

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _is_functional(args, kwargs):
            from tahr.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any):
        self._function: Any = None
        self._compiled: Any = None
        self._session: Any = None
        self.optimizer: Any = None
        self.stop_training = False
        self.history: Any = None
        if _is_functional(args, kwargs):
            from tahr.models.functional import initialize

            initialize(self, *args, **kwargs)
        elif args:
            raise TypeError(
                f"{type(self).__name__}: expected symbols as Model(inputs, outputs), or keywords such as name; "
                f"received {args!r:.100}."
            )
        else:
            super().__init__(**kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for inputs: arrays, symbols, or tensors of a data pipeline if nothing is to be trained."""
        call = super().__call__
        found = in_graph((args, kwargs), None, lambda given: call(*given[0], **given[1]), layer=self)
        return call(*args, **kwargs) if found is None else found

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs from the inputs; subclasses define it."""
        raise NotImplementedError(f"Model {type(self).__name__} defines no `call(self, inputs)`.")

    # ---- layers -------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside the model."""
        return self._layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer called `name`, or at `index`.

        Raises:
            ValueError: if there is none such, or not exactly one of the arguments is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer: expected one of `name` and `index`.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"get_layer: {self.name} has {len(self.layers)} layers; received index={index}.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"get_layer: {self.name} has the layers {[x.name for x in self.layers]}; received {name!r}.")

    def outputs_at(self, *names: str) -> "Model":
        """Return a model that gives the outputs of layers inside this one, with the same weights.

        Args:
            names: of layers anywhere inside: a name, or the end of a path such as `"encoder/dense_1"`. One name gives
                its outputs, several give a dict.

        Raises:
            ValueError: if there is no such layer, or several.

        >>> model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="hidden"), layers.Dense(1)])
        >>> model.outputs_at("hidden").predict(np.ones((2, 4)), verbose=0).shape
        (2, 3)
        """
        from tahr.models.outputs_at import OutputsAt

        if not names:
            raise ValueError("outputs_at: expected the names of layers; received none.")
        return OutputsAt(self, names)

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
        show_flops: bool = False,
    ) -> None:
        """Print the layers with their output shapes and numbers of parameters.

        Args:
            line_length: width in characters; None takes that of the terminal.
            positions: where columns end, as fractions of the width or as characters.
            print_fn: gets the text instead of the terminal.
            expand_nested: whether the layers of inner models are shown.
            show_trainable: whether a column says which layers are trainable.
            layer_range: names (or regular expressions) of the first and last layers to show.
            show_flops: whether a column and a closing line say how much work a forward pass on one row is.
        """
        from tahr.models.summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range, show_flops)

    def summary_data(self, expand_nested: bool = False) -> Any:
        """Return what `summary` shows as data, with bytes and FLOPs: `rows`, `totals`, `to_pandas()`.

        Args:
            expand_nested: whether the layers of inner models have rows, too.

        >>> model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")])
        >>> model.summary_data().to_pandas()[["name", "params", "flops"]]
           name  params  flops
        0  conv     112   7776
        """
        from tahr.models.summary import summarize

        return summarize(self, expand_nested)

    def explain_kernels(
        self, x: Any, training: bool = False, print_fn: Callable[[str], Any] | None = None
    ) -> list[Any]:
        """Print which way the operations of each layer go for inputs like `x`, and why; return that as tuples.

        Operations that could go only one way are left out. `keras.utils.forced_kernels` makes them go another.

        Args:
            x: a batch; its shapes and types are what counts.
            training: whether to look at the model as it is trained.
            print_fn: gets the text instead of the terminal.

        >>> model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
        >>> model.explain_kernels(np.zeros((1, 8)))
        No layer runs an operation that could go several ways.
        []
        """
        from tahr.models.kernels import explain

        return explain(self, x, training, print_fn)

    # ---- training (see `tahr/trainer`) --------------------------------------------------------------------------

    @takes_old_names
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str | None = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how to train: the optimizer, what to minimise, and what to report.

        Args:
            optimizer: name or optimizer object.
            loss: name, function, Loss object, or a structure of these like the outputs (dict by output name, list).
            loss_weights: numbers the losses are multiplied by, in the same structure.
            metrics: list of names, functions or Metric objects, or a structure of lists like the outputs.
            weighted_metrics: metrics that use the sample weights.
            run_eagerly: whether steps run uncompiled, for debugging.
            steps_per_execution: least number of steps a dispatch; the trainer may take more.
            jit_compile: whether steps are compiled; "auto" does so on JAX and TensorFlow. On PyTorch, where that takes
                about a minute, it does in fits that last long enough and are not saved to be resumed, if a compiled
                step turns out faster.
            auto_scale_loss: whether the loss is scaled for float16 policies.

        Raises:
            ValueError: for an unknown name, with the closest known ones.
        """
        from tahr.trainer.compilation import compile_model

        compile_model(self, optimizer, loss, loss_weights, metrics, weighted_metrics, run_eagerly, steps_per_execution,
                      jit_compile, auto_scale_loss)  # fmt: skip

    @takes_old_names
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        resume: Any = None,
        save_every: str | int | None = None,
        steps: int | None = None,
        validate_every: int | None = None,
        max_time: float | str | None = None,
        debug: str | None = None,
        profile: bool = False,
    ) -> Any:
        """Train for a number of epochs and return the `History` callback with every epoch's metrics.

        Args:
            x: inputs: array, list or dict of arrays, pandas frame, generator of batches, `PyDataset`; text, too, for a
                graph whose first layers read it.
            y: targets in the same forms (None for generators and datasets, which yield `(x, y)`).
            batch_size: rows a step; 32 if None.
            epochs: index of the last epoch, counted from 1.
            verbose: 0 silent, 1 bar, 2 a line an epoch, "auto".
            callbacks: list of callbacks.
            validation_split: share of the last rows kept for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a dataset.
            shuffle: whether rows (or batches, for `PyDataset`) come in a new order each epoch.
            class_weight: dict of class index to weight.
            sample_weight: one weight a row.
            initial_epoch: epochs already done.
            steps_per_epoch: steps an epoch; needed for endless generators.
            validation_steps: steps of validation.
            validation_batch_size: rows a step of validation.
            validation_freq: validate every so many epochs, or the list of epochs to validate in.
            resume: folder where training is saved after every epoch, and when SIGTERM ends the process; if it holds
                the state of a training that was cut off, or is over, that is gone on with, to the last bit the same on
                a CPU. See `BackupAndRestore` with two files kept.
            save_every: with `resume`, also save after so many batches, or after a time such as "10min".
            steps: batches in all, instead of `epochs`; the data are gone through as often as that takes.
            validate_every: with `steps` or `max_time`, batches between two reports (logs, validation, epoch callbacks),
                which then count as epochs; a pass over the data if None.
            max_time: seconds, or a time such as "2h", after which training ends; the epoch at work is cut short.
            debug: "nan" looks at every batch for the first NaN or infinity, says which layer or gradient made it, and
                takes back the step; slow.
            profile: whether to measure a few steps, and each layer alone, print where the time goes and what would
                help, and keep that as `History.profile`.

        Raises:
            ValueError: if the model is not compiled or the data do not fit it; nothing has changed then.
            FloatingPointError: with `debug="nan"`, for the first batch that makes a NaN or infinity.

        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> def train(epochs):
        ...     keras.utils.set_random_seed(1)
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile("adam", "mse")
        ...     return model.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=epochs, verbose=0, resume=folder.name)
        >>> first, both = train(epochs=1), train(epochs=2)
        >>> both.epoch, both.history["loss"][:1] == first.history["loss"]
        ([0, 1], True)
        >>> folder.cleanup()
        """
        from tahr.trainer.fit import fit
        from tahr.trainer.span import Span

        return fit(self, x=x, y=y, batch_size=batch_size, verbose=verbose, callbacks=callbacks,
                   validation_split=validation_split, validation_data=validation_data, shuffle=shuffle,
                   class_weight=class_weight, sample_weight=sample_weight, initial_epoch=initial_epoch,
                   validation_steps=validation_steps,
                   validation_batch_size=validation_batch_size, validation_freq=validation_freq,
                   resume=resume, save_every=save_every,
                   span=Span(epochs, steps_per_epoch, steps, validate_every, max_time), debug=debug,
                   profile=profile)  # fmt: skip

    @takes_old_names
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the loss and metrics over the data, as a list (or number) or as a dict if `return_dict`."""
        from tahr.trainer.fit import evaluate

        return evaluate(self, x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict, **kwargs)

    @takes_old_names
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        out: Any = None,
    ) -> Any:
        """Return the outputs for all rows as NumPy arrays, computed batch by batch. Any thread may call it.

        Args:
            x: inputs, as for `fit`.
            batch_size: rows a batch; 32 if None.
            verbose: 0 silent, 1 bar, 2 a line, "auto".
            steps: batches in all; all if None.
            callbacks: list of callbacks.
            out: path of an `.npy` file that the outputs are written to as they come, for more of them than fit in
                memory; what is returned is that file, mapped into memory. It appears when it is complete.
        """
        return _predict()(self, x, batch_size, verbose, steps, callbacks, out)

    def generate(
        self,
        prompt: Any,
        length: int,
        temperature: float = 0.0,
        top_k: int | None = None,
        seed: int | None = None,
        end_token: int | None = None,
    ) -> Any:
        """Continue texts token by token with a causal model, whose attention keeps its keys and values.

        The model maps tokens (batch, length) to scores (batch, length, vocabulary): logits, or the probabilities of a
        softmax. `MultiHeadAttention` and `GroupQueryAttention` called with `use_causal_mask=True` need nothing
        else; layers that depend on places ask `keras.utils.first_place`.

        Args:
            prompt: whole numbers of shape (given,) or (batch, given).
            length: tokens of a text in the end, those of the prompt among them.
            temperature: what logits are divided by before a token is drawn; 0 takes the likeliest token.
            top_k: how many of the likeliest tokens are drawn from; None is all.
            seed: makes the draws repeatable.
            end_token: ends a text; what comes behind it is this token.

        Returns:
            NumPy array (batch, length), int32.

        Raises:
            ValueError: if the arguments are wrong, or the model gives other outputs token by token than at once.

        >>> x = keras.Input((None,), dtype="int32")
        >>> y = layers.Embedding(5, 4)(x)
        >>> y = layers.MultiHeadAttention(2, 2)(y, y, use_causal_mask=True)
        >>> model = keras.Model(x, layers.Dense(5)(y))
        >>> model.generate([1, 2], length=6).shape
        (1, 6)
        """
        from tahr.trainer.generate import generate

        return generate(self, prompt, length, temperature, top_k, seed, end_token)

    def predict_iter(self, x: Any, batch_size: int | None = None, steps: int | None = None) -> Iterator[Any]:
        """Yield the outputs for one batch after the other as NumPy arrays; a few batches are computed ahead.

        >>> model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
        >>> [outputs.shape for outputs in model.predict_iter(np.ones((5, 4)), batch_size=2)]
        [(2, 3), (2, 3), (1, 3)]
        """
        from tahr.trainer.predict import predict_iter

        return predict_iter(self, x, batch_size, steps)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Take one training step on one batch and return its loss and metrics."""
        from tahr.trainer.fit import train_on_batch

        return train_on_batch(self, x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return the loss and metrics of one batch, without training."""
        from tahr.trainer.fit import test_on_batch

        return test_on_batch(self, x, y, sample_weight, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch as NumPy arrays."""
        from tahr.trainer.predict import predict_on_batch

        return predict_on_batch(self, x)

    def train_step(self, state: Any = _NOT_GIVEN, data: Any = _NOT_GIVEN) -> Any:
        """Take one step on a batch: the forward pass, the gradients, the update, the metrics.

        Called with the batch alone, it changes the variables and returns the values of the metrics by name. Called with
        `(trainable, non_trainable, optimizer, metrics)` variables' values and the batch, it changes nothing, and
        returns `(logs, state)`.

        Override it in either form, as `train_step(self, data)` or `train_step(self, state, data)`, for another
        algorithm; what is written with `tahr.value_and_grad` and `self.optimizer.apply` runs compiled on every backend.
        """
        return self._step("train", state, data)

    def test_step(self, state: Any = _NOT_GIVEN, data: Any = _NOT_GIVEN) -> Any:
        """Update the loss and metrics with a batch and return their values by name.

        Called with `(trainable, non_trainable, metrics)` variables' values and the batch, it changes nothing, and
        returns `(logs, state)`.
        """
        return self._step("test", state, data)

    def predict_step(self, state: Any = _NOT_GIVEN, data: Any = _NOT_GIVEN) -> Any:
        """Return the outputs for a batch.

        Called with `(trainable, non_trainable)` variables' values and the batch, it changes nothing, and returns
        `(outputs, state)`.
        """
        return self._step("predict", state, data)

    def _step(self, kind: str, state: Any, data: Any) -> Any:
        from tahr.trainer import stateless, step

        if state is not _NOT_GIVEN and data is not _NOT_GIVEN:
            return stateless.stateless_step(self, kind, state, data)
        batch = state if data is _NOT_GIVEN else data
        if batch is _NOT_GIVEN:
            raise TypeError(f"{kind}_step: expected a batch, or a state and a batch; received nothing.")
        return getattr(step, f"{kind}_step")(self, batch)

    def train_function(self, iterator: Any) -> dict[str, Any]:
        """Take one training step on the next batch of an iterator, and return its loss and metrics by name."""
        from tahr.trainer.step import unpack

        x, y, sample_weight = unpack(next(iterator))
        return self.train_on_batch(x, y, sample_weight, return_dict=True)

    def test_function(self, iterator: Any) -> dict[str, Any]:
        """Return the loss and metrics of the next batch of an iterator by name, without training."""
        from tahr.trainer.step import unpack

        x, y, sample_weight = unpack(next(iterator))
        return self.test_on_batch(x, y, sample_weight, return_dict=True)

    def predict_function(self, iterator: Any) -> Any:
        """Return the outputs for the next batch of an iterator as NumPy arrays."""
        from tahr.trainer.step import unpack

        return self.predict_on_batch(unpack(next(iterator))[0])

    def make_train_function(self, force: bool = False) -> Callable[[Any], dict[str, Any]]:
        """Return `train_function`; with `force`, what is compiled for it is forgotten, and compiled anew when used."""
        self._session = None if force else self._session
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable[[Any], dict[str, Any]]:
        """Return `test_function`; with `force`, what is compiled for it is forgotten, and compiled anew when used."""
        self._session = None if force else self._session
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Callable[[Any], Any]:
        """Return `predict_function`; with `force`, what is compiled is forgotten, and compiled anew when used."""
        self._session = None if force else self._session
        return self.predict_function

    def jax_state_sync(self) -> None:
        """Do nothing: the variables hold the state of training after every dispatch, on every backend."""

    def stateless_compute_loss(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, Any]:
        """Return `(loss, (trainable, non_trainable, metrics))`: `compute_loss` as a function of variables' values."""
        from tahr.trainer.stateless import stateless_compute_loss

        arguments = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": sample_weight, "training": training}
        state = trainable_variables, non_trainable_variables, metrics_variables
        return stateless_compute_loss(self, state, arguments)

    def compute_loss_and_updates(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Any,
        y: Any,
        sample_weight: Any,
        training: bool = False,
        optimizer_variables: Any = None,
    ) -> tuple[Any, tuple[Any, Any, Any, Any]]:
        """Return the loss of a batch as a function of variables' values, to be differentiated by the first of them.

        Returns:
            `(loss, (unscaled_loss, outputs, non_trainable, metrics))`; in training the loss is scaled as the optimizer
            asks for.
        """
        from tahr.trainer.stateless import compute_loss_and_updates

        state = trainable_variables, non_trainable_variables, metrics_variables
        return compute_loss_and_updates(self, state, x, y, sample_weight, training, optimizer_variables)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the scalar that training minimises: the compiled losses and those that layers added."""
        from tahr.trainer.step import compute_loss

        return compute_loss(self, y, y_pred, sample_weight)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Update the compiled metrics with a batch and return the values of all metrics."""
        from tahr.trainer.step import compute_metrics

        return compute_metrics(self, y, y_pred, sample_weight)

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the current value of every metric by name."""
        from tahr.trainer.step import metrics_result

        return metrics_result(self)

    def reset_metrics(self) -> None:
        """Set every metric back to its start."""
        for metric in self.metrics:
            metric.reset_state()

    @property
    def metrics(self) -> list[Any]:
        """The loss trackers, the compiled metrics, and metrics kept as attributes."""
        own = super().metrics
        if self._compiled is None:
            return own
        compiled = self._compiled.all_metrics()
        known = {id(m) for m in compiled}
        return [*compiled, *(m for m in own if id(m) not in known)]

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, in its order."""
        from tahr.trainer.step import metrics_result

        return list(metrics_result(self))

    @property
    def loss(self) -> Any:
        """The loss given to `compile`."""
        return self._compiled.loss if self._compiled is not None else None

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._compiled is not None

    @property
    def jit_compile(self) -> Any:
        return self._compiled.jit_compile if self._compiled is not None else None

    @property
    def run_eagerly(self) -> bool:
        return self._compiled.run_eagerly if self._compiled is not None else False

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        if self._compiled is not None:
            self._compiled.run_eagerly = bool(value)
            self._session = None

    # ---- few bits (see `tahr/adapt/quantize.py`) ----------------------------------------------------------------

    def quantize(self, mode: Any = None, config: Any = None, filters: Any = None, **kwargs: Any) -> None:
        """Keep the weights of the layers that can be quantized in few bits; `predict` needs no new `compile`.

        Args:
            mode: `"int8"`, `"int4"` or `"float8"`.
            config: a `QuantizationConfig` that says more than a mode.
            filters: which layers: a regular expression found in their names, several, or a function of a layer.
            **kwargs: `type_check=False` takes classes derived from the layers', too.

        Raises:
            ValueError: if the mode is unknown, or the model is not built, or a layer is quantized already.

        >>> model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
        >>> model.quantize("int8")
        >>> model.layers[0].kernel.numbers.dtype
        'int8'
        """
        from tahr.adapt.quantize import quantize_model

        quantize_model(self, mode, config, filters, **{"type_check": True, **kwargs})

    def get_quantization_layer_structure(self, mode: str | None = None) -> Any:
        """Return which layers belong to which block, for ways to quantize that go block by block; None says nothing."""
        return None

    # ---- files and configs (see `tahr/saving`) ------------------------------------------------------------------

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Save the model, its compile arguments and optimizer state to a `.keras` (or legacy `.h5`) file."""
        from tahr.saving import save_model

        save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Write the model for programs without tahr, read it back, and print the largest error of its outputs.

        Args:
            filepath: file or folder, which takes its place as a whole.
            format: `"tf_saved_model"` (TensorFlow, JAX), `"torch"` (a `.pt2`; PyTorch) or `"stablehlo"` (JAX).
            verbose: whether to print; None does.
            input_signature: an `InputSpec`, symbol or array for each input; None takes what the model was made for.
            **kwargs: further arguments of the framework's own function.

        Raises:
            ValueError: if the format is unknown or not one of this backend, nothing says what the model takes, or what
                was written gives other outputs.
        """
        from tahr.export.formats import export_model

        export_model(self, filepath, format, verbose, input_signature, **kwargs)

    def to_backend(self, backend: str) -> "Model":
        """Return this model on another backend, which becomes that of the process.

        Weights, optimizer and what else is saved are the same; the model itself, and all others, stay behind: they can
        be used again when they, too, have been converted, or the process has come back.

        Args:
            backend: `"jax"`, `"torch"`, `"tensorflow"` or `"numpy"`.

        Raises:
            ImportError: if its framework is not installed.
            ValueError: if there is no such backend.

        >>> model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
        >>> model.to_backend(config.backend()).count_params()
        8
        """
        from tahr.models.conversion import to_backend

        return to_backend(self, backend)

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Save the weights to a `.weights.h5` file."""
        from tahr.saving import save_weights

        save_weights(self, filepath, overwrite=overwrite, max_shard_size=max_shard_size)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> Any:
        """Load weights from a file that `save_weights` or `save` wrote; return a report of what was loaded."""
        from tahr.saving import load_weights

        return load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """Return the model's configuration as JSON text, to be read by `keras.models.model_from_json`."""
        from tahr.saving import model_to_json

        return model_to_json(self, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        """Return the arguments of `compile` as plain data; empty if it was not called."""
        return self._compiled.get_config() if self._compiled is not None else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what `get_compile_config` gave, and make the optimizer's state."""
        from tahr.saving import deserialize_keras_object

        self.compile(**deserialize_keras_object(dict(config)))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build for the input shapes that `get_build_config` gave."""
        if config and "shapes_dict" in config and type(self).build is Model.build:
            symbols = {k.removesuffix("_shape"): _symbols_of(v) for k, v in config["shapes_dict"].items()}
            self.built = True
            self.compute_output_spec(**symbols)
        elif config and config.get("input_shape") is not None:
            super().build_from_config(config)

    def build(self, input_shape: Any) -> None:
        """Make the weights by a call on symbols of the given shape (structure of shapes for several inputs)."""
        if self._function is None and input_shape is not None and type(self).call is not Model.call:
            self.built = True
            self.compute_output_spec(_symbols_of(input_shape))
        self.built = True

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return a new model made from what `get_config` gave."""
        from tahr.saving import CustomObjectScope

        if cls is Model and "input_layers" in config:
            from tahr.models.functional import Functional

            return Functional.from_config(config, custom_objects)
        with CustomObjectScope(custom_objects):
            return super().from_config(config)

    def _build_for(self, info: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if type(self).build is Model.build:  # the call itself makes the weights
            given = dict(zip(info.parameters, args, strict=False)) | kwargs
            shapes = {f"{name}_shape": shapes_of(value) for name, value in given.items() if is_array_like(value)}
            single = len(shapes) == 1
            self._build_shapes = {"input_shape": next(iter(shapes.values()))} if single else {"shapes_dict": shapes}
            self.built = True
        else:
            super()._build_for(info, args, kwargs)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """Return all state as nested dicts by path: trainable, other, optimizer and metrics variables.

        Args:
            value_format: `"backend_tensor"` or `"numpy_array"`.
        """
        if value_format not in ("backend_tensor", "numpy_array"):
            raise ValueError(f"value_format: expected 'backend_tensor' or 'numpy_array'; received {value_format!r}.")
        from tahr.models.state_tree import state_tree

        return state_tree(self, value_format)

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """Assign state in the form of `get_state_tree`; groups and variables that are absent stay as they are."""
        from tahr.models.state_tree import assign_state_tree

        assign_state_tree(self, state_tree)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: all but what is compiled, and the graph as its `_function` has it."""
        state = {**super().__getstate__(), "_session": None}
        args, kwargs = state["_recorded"]
        if any_symbolic(args) or any_symbolic(kwargs.values()):
            state["_recorded"] = (), {}
        return state


def _symbols_of(shapes: Any) -> Any:
    return tree.map_shape_structure(lambda s: KerasTensor(tuple(s), record_history=False), shapes)


def _is_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether constructor arguments are those of a functional model: inputs and outputs."""
    return (
        (len(args) >= 2 and len(args) <= 3)
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
        or ("input" in kwargs and "output" in kwargs)  # as Keras 1 called them
    )
