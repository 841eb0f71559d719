# A convolutional network as tutorials of 2019 have it: Conv 32, 64, 64, Dense 64, Adam, classes as numbers.
import numpy as np
import tensorflow as tf
from tensorflow.keras import datasets, layers, models

assert hasattr(datasets, "cifar10")
rng = np.random.RandomState(0)
labels = rng.randint(0, 4, (256, 1))
images = rng.randint(0, 40, (256, 32, 32, 3))
for image, label in zip(images, labels[:, 0]):
    image[16 * (label // 2) : 16 * (label // 2) + 16, 16 * (label % 2) : 16 * (label % 2) + 16] += 180
train_images, test_images = images[:192] / 255.0, images[192:] / 255.0
train_labels, test_labels = labels[:192], labels[192:]

tf.random.set_seed(1)
model = models.Sequential()
model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(32, 32, 3)))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(64, (3, 3), activation="relu"))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(64, (3, 3), activation="relu"))
model.add(layers.Flatten())
model.add(layers.Dense(64, activation="relu"))
model.add(layers.Dense(10))
model.summary()
model.compile(
    optimizer="adam", loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
history = model.fit(train_images, train_labels, epochs=4, verbose=2, validation_data=(test_images, test_labels))
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=2)
print("accuracy: %.3f" % test_acc)
assert history.history["loss"][-1] < history.history["loss"][0] and test_acc > 0.6, history.history
